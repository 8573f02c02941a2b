using System.Globalization;

namespace Portal.Core.Inventory;

/// <summary>One respect in which two policies differ, in words.</summary>
/// <param name="Field">The field, as refusals name it: <c>lifetime</c>.</param>
/// <param name="Title">What it is, for a person.</param>
/// <param name="Before">Its value in the first policy.</param>
/// <param name="After">Its value in the second.</param>
/// <param name="IsLooser">Whether the second trusts more readily in this respect: such a change takes two people.</param>
public sealed record PolicyDifference(string Field, string Title, string Before, string After, bool IsLooser);

/// <summary>Trust policies in words, the same in pages, audit rows and refusals.</summary>
public static class PolicyWords
{
    /// <summary>Every respect in which two policies differ. One of them is looser exactly when <see cref="TrustPolicy.IsLooserThan"/> says so.</summary>
    /// <param name="before">The first policy.</param>
    /// <param name="after">The second policy.</param>
    /// <param name="services">Names of attestation servers; one that is not among them is called by the beginning of its id.</param>
    public static IReadOnlyList<PolicyDifference> Differences(TrustPolicy before, TrustPolicy after, IReadOnlyDictionary<Guid, string>? services = null)
    {
        PolicyDifference?[] all =
        [
            before.RequiredKinds == after.RequiredKinds
                ? null
                : new("requiredKinds", "Required baselines", Kinds(before.RequiredKinds), Kinds(after.RequiredKinds), (before.RequiredKinds & ~after.RequiredKinds) != 0),
            Time("lifetime", "A verdict counts for", before.Lifetime, after.Lifetime, longerIsLooser: true),
            Time("interval", "Hosts are asked every", before.Interval, after.Interval, longerIsLooser: false),
            Time("maxAgeAtStart", "Oldest evidence at a start", before.MaxAgeAtStart, after.MaxAgeAtStart, longerIsLooser: true),
            before.Services.Equals(after.Services)
                ? null
                : new("services", "Attestation services", Services(before.Services, services), Services(after.Services, services), before.Services.IsLoosenedBy(after.Services)),
            Time("forgetAfter", "Stale becomes unknown after", before.ForgetAfter, after.ForgetAfter, longerIsLooser: false),
        ];
        return [.. all.OfType<PolicyDifference>()];
    }

    /// <summary>Kinds as a person says them: <c>firmware, hypervisor and runtime</c>.</summary>
    public static string Kinds(BaselineKinds kinds) => And([.. KindsIn(kinds).Select(kind => kind.ToString().ToLowerInvariant())]);

    /// <summary>Attestation services as a person says them: <c>built-in verifier and keylime-a (keeps its own policies)</c>.</summary>
    public static string Services(ServiceSet set, IReadOnlyDictionary<Guid, string>? names)
    {
        var words = set.Select(choice => choice.ServiceId == ServiceSet.BuiltInId
            ? "built-in verifier"
            : (names?.GetValueOrDefault(choice.ServiceId) ?? $"server {choice.ServiceId.ToString()[^8..]}") + (choice.Keeper == PolicyKeeper.Server ? " (keeps its own policies)" : "")).ToList();
        return And(words);
    }

    /// <summary>The single kinds of a set, in the order of a boot.</summary>
    public static IEnumerable<BaselineKinds> KindsIn(BaselineKinds kinds) => AllKinds.Where(kind => kinds.HasFlag(kind));

    /// <summary>Every kind there is, in the order of a boot.</summary>
    public static IReadOnlyList<BaselineKinds> AllKinds { get; } = [BaselineKinds.Firmware, BaselineKinds.Hypervisor, BaselineKinds.Runtime];

    /// <summary>An exact time in the largest unit that keeps it whole: <c>90 s</c>, <c>10 min</c>, <c>24 h</c>.</summary>
    public static string Duration(TimeSpan time)
    {
        var seconds = (long)time.TotalSeconds;
        return seconds switch
        {
            0 => "0 s",
            _ when seconds % 86400 == 0 && seconds > 86400 => Text(seconds / 86400, "d"),
            _ when seconds % 3600 == 0 => Text(seconds / 3600, "h"),
            _ when seconds % 60 == 0 => Text(seconds / 60, "min"),
            _ => Text(seconds, "s"),
        };
    }

    /// <summary>Changes in one sentence's worth of words: <c>lifetime 10 min → 1 h</c>.</summary>
    public static string Story(IEnumerable<PolicyDifference> differences) =>
        string.Join(", ", differences.Select(d => $"{char.ToLowerInvariant(d.Title[0])}{d.Title[1..]} {d.Before} → {d.After}"));

    private static string And(List<string> words) => words.Count switch
    {
        0 => "none",
        1 => words[0],
        _ => $"{string.Join(", ", words.SkipLast(1))} and {words[^1]}",
    };

    private static string Text(long count, string unit) => string.Create(CultureInfo.InvariantCulture, $"{count} {unit}");

    private static PolicyDifference? Time(string field, string title, TimeSpan before, TimeSpan after, bool longerIsLooser) =>
        before == after ? null : new(field, title, Duration(before), Duration(after), longerIsLooser && after > before);
}
