using System.Text.RegularExpressions;
using FluentValidation;

namespace Portal.Core.Inventory;

/// <summary>What a person typed about a cluster, trimmed.</summary>
/// <param name="Name">The name.</param>
/// <param name="Description">What it is for.</param>
/// <param name="AllowedLevels">Trust levels new VMs may have.</param>
public sealed record ClusterWords(string Name, string Description, TrustLevels AllowedLevels);

/// <summary>What a cluster may be called and which trust levels it may allow.</summary>
public sealed partial class ClusterRules : AbstractValidator<ClusterWords>
{
    /// <summary>Longest name, in characters.</summary>
    public const int LongestName = 64;

    /// <summary>Longest description, in characters.</summary>
    public const int LongestDescription = 500;

    /// <summary>The rules hold no state.</summary>
    public static ClusterRules Instance { get; } = new();

    private ClusterRules()
    {
        RuleFor(c => c.Name).Cascade(CascadeMode.Stop)
            .NotEmpty().RefusedAs("cluster.name.empty", "A cluster needs a name.", "Give it a name of 1 to 64 characters.")
            .MaximumLength(LongestName).RefusedAs("cluster.name.long", "The name is longer than 64 characters.", "Shorten it.")
            .Must(name => Allowed().IsMatch(name)).RefusedAs(
                "cluster.name.characters",
                "A name has letters a to z, digits, dots, underscores and hyphens, and begins with a letter or digit.",
                "Leave the other characters out.");
        RuleFor(c => c.Description).Cascade(CascadeMode.Stop)
            .MaximumLength(LongestDescription).RefusedAs("cluster.description.long", "The description is longer than 500 characters.", "Shorten it.")
            .Must(text => !text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')))
            .RefusedAs("cluster.description.characters", "The description holds control characters.", "Leave them out.");
        RuleFor(c => c.AllowedLevels)
            .Must(levels => levels is TrustLevels.Any or TrustLevels.Trusted or (TrustLevels.Any | TrustLevels.Trusted))
            .RefusedAs("cluster.levels", "A cluster allows at least one trust level, any or trusted.", "Choose one or both.");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Allowed();
}

/// <summary>The limits of a trust policy. Whatever four eyes agree on, a verdict never counts for more than a day.</summary>
public sealed class TrustPolicyRules : AbstractValidator<TrustPolicy>
{
    /// <summary>Shortest lifetime of a verdict.</summary>
    public static TimeSpan ShortestLifetime => TimeSpan.FromSeconds(30);

    /// <summary>Longest lifetime of a verdict.</summary>
    public static TimeSpan LongestLifetime => TimeSpan.FromHours(24);

    /// <summary>Shortest time between rounds.</summary>
    public static TimeSpan ShortestInterval => TimeSpan.FromSeconds(5);

    /// <summary>Longest time a stale verdict is remembered.</summary>
    public static TimeSpan LongestForgetAfter => TimeSpan.FromDays(30);

    /// <summary>The rules hold no state.</summary>
    public static TrustPolicyRules Instance { get; } = new();

    private TrustPolicyRules()
    {
        RuleFor(p => p.RequiredKinds)
            .Must(kinds => kinds != BaselineKinds.None && (kinds & ~(BaselineKinds.Firmware | BaselineKinds.Hypervisor | BaselineKinds.Runtime)) == 0)
            .RefusedAs("cluster.policy.kinds", "A cluster that requires no kind of baseline would trust no host.", "Require firmware, hypervisor or both.");
        RuleFor(p => p.RequiredKinds)
            .Must(kinds => !kinds.HasFlag(BaselineKinds.Runtime) || kinds.HasFlag(BaselineKinds.Hypervisor))
            .RefusedAs("cluster.policy.runtime", "What a running kernel measures is worth something only when the kernel itself is approved.", "Require hypervisor together with runtime.");
        RuleFor(p => p.Lifetime)
            .InclusiveBetween(ShortestLifetime, LongestLifetime)
            .RefusedAs("cluster.policy.lifetime", "A verdict counts for between 30 seconds and 24 hours.", "Choose a time within these limits.");
        RuleFor(p => p.Interval)
            .Must((policy, interval) => interval >= ShortestInterval && interval <= policy.Lifetime)
            .RefusedAs("cluster.policy.interval", "Hosts are asked at most every 5 seconds, and at least once within the time a verdict counts.", "Choose a time between 5 seconds and that time.");
        RuleFor(p => p.MaxAgeAtStart)
            .Must((policy, age) => age >= TimeSpan.Zero && age <= policy.Lifetime)
            .RefusedAs("cluster.policy.max_age", "The oldest evidence at a start is between 0 (asks the host each time) and the time a verdict counts.", "Choose a time within these limits.");
        RuleFor(p => p.Services)
            .Must(services => services is { Count: > 0 and <= 8 })
            .RefusedAs("cluster.policy.services", "A cluster names one to eight attestation services; one that names none would trust no host.", "Name at least one.");
        RuleFor(p => p.ForgetAfter)
            .Must(after => after >= TimeSpan.Zero && after <= LongestForgetAfter)
            .RefusedAs("cluster.policy.forget", "A stale verdict is remembered for at most 30 days.", "Choose at most 30 days.");
    }
}
