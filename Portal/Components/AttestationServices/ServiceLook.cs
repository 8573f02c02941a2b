using Portal.Components.Shared;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Components.AttestationServices;

/// <summary>Words, tones and addresses of attestation services.</summary>
internal static class ServiceLook
{
    /// <summary>The list, on the page Settings.</summary>
    public const string ListHref = "/settings#services";

    /// <summary>Where one is added.</summary>
    public const string AddHref = "/settings/services/new";

    /// <summary>The page of one.</summary>
    public static string Href(Guid id, string? part = null) => $"/settings/services/{id}{(part is null ? null : "/" + part)}";

    /// <summary>The page of one, showing an operation on it.</summary>
    public static string OperationHref(Guid id, Guid operation) => $"{Href(id)}?operation={operation}";

    /// <summary>How a service does, in a word with its tone.</summary>
    public static (Tone Tone, string Word) Health(ServiceRow row) => (row.IsBuiltIn, row.Standing, row.Clusters.Count) switch
    {
        (true, { LastEvidenceAt: null }, _) => (Shared.Tone.Unknown, "Nothing verified yet"),
        (true, _, _) => (Shared.Tone.Ok, "Verifies"),
        (_, { IsDown: true }, _) => (Shared.Tone.Bad, "Down"),
        (_, { FailingSince: not null }, _) => (Shared.Tone.Old, "Did not answer"),
        (_, _, 0) => (Shared.Tone.Unknown, "No cluster names it"),
        (_, { LastAnswerAt: null }, _) => (Shared.Tone.Unknown, "Not asked yet"),
        _ => (Shared.Tone.Ok, "Answers"),
    };

    /// <summary>What a policy on a server decides, in words.</summary>
    public static string Word(KeptPolicyKind kind) => kind switch
    {
        KeptPolicyKind.Runtime => "Files a host may use (runtime policy)",
        KeptPolicyKind.MeasuredBoot => "What a boot log may hold (measured-boot policy)",
        KeptPolicyKind.FirmwareWhiteList => "Firmware (BIOS MLE)",
        KeptPolicyKind.HypervisorWhiteList => "Hypervisor (VMM MLE)",
    };

    /// <summary>The moment behind the word of <see cref="Health"/>.</summary>
    public static DateTimeOffset? HealthAt(ServiceRow row) => row.Standing.FailingSince ?? row.Standing.LastAnswerAt;

    /// <summary>Clusters whose approved baselines the service does not keep, worst first.</summary>
    public static IReadOnlyList<NamingCluster> NotAsApproved(ServiceRow row) =>
        [.. row.Clusters
            .Where(c => c is { Keeper: PolicyKeeper.Portal, Publication.State: PublicationState.Drifted or PublicationState.Failed or PublicationState.Refused })
            .OrderByDescending(c => c.Publication!.State == PublicationState.Drifted)];

    public static Tone Tone(this PublicationState state) => state switch
    {
        PublicationState.Waiting => Shared.Tone.Info,
        PublicationState.Verified => Shared.Tone.Ok,
        PublicationState.Drifted => Shared.Tone.Bad,
        PublicationState.Failed => Shared.Tone.Bad,
        PublicationState.Refused => Shared.Tone.Bad,
    };

    public static string Word(this PublicationState state) => state switch
    {
        PublicationState.Waiting => "Being published",
        PublicationState.Verified => "Published and verified",
        PublicationState.Drifted => "Changed behind our back",
        PublicationState.Failed => "Not published",
        PublicationState.Refused => "Cannot be published",
    };

    public static string Word(this ServerCheckStep step) => step switch
    {
        ServerCheckStep.Name => "Name",
        ServerCheckStep.Port => "Port",
        ServerCheckStep.Certificate => "Certificate",
        ServerCheckStep.Expiry => "Expiry",
        ServerCheckStep.Version => "Version",
        ServerCheckStep.Authorisation => "Lets us in",
        ServerCheckStep.Clock => "Clock",
        ServerCheckStep.Query => "Question",
    };

    /// <summary>Who keeps the policies, as a person says it.</summary>
    public static string Word(this PolicyKeeper keeper) => keeper switch
    {
        PolicyKeeper.Portal => "the portal",
        PolicyKeeper.Server => "the server itself",
    };

    /// <summary>How far a clock is from ours: <c>2 s ahead</c>.</summary>
    public static string Skew(TimeSpan ahead) => Math.Abs(ahead.TotalSeconds) < 1 ? "agrees with ours" : $"{Span.Words(ahead)} {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} ours";

    /// <summary>A duration below a minute with its tenths: <c>0.4 s</c>.</summary>
    public static string Lag(TimeSpan lag) => lag.TotalSeconds < 60
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{lag.TotalSeconds:0.0} s")
        : Span.Words(lag);
}
