namespace Portal.Core.Inventory;

/// <summary>Reaction and migration settings in words, the same in pages and audit rows.</summary>
public static class ReactionWords
{
    /// <summary>What will happen, sentence by sentence, in the order in which it happens.</summary>
    public static IReadOnlyList<string> Sentences(ReactionPolicy policy, int hosts) =>
    [
        "An alarm is raised, and every virtual machine that requires trust and runs on the host is marked.",
        .. policy.Kind >= ReactionKind.Quarantine ? [QuarantineSentence(policy)] : Array.Empty<string>(),
        .. policy.Kind == ReactionKind.Evacuate
            ?
            [
                $"{Begins(policy)} virtual machines that require trust move to trusted hosts, the most important first, {(policy.AtOnce == 1 ? "one at a time" : $"{policy.AtOnce} at a time")}.",
                $"One that no trusted host takes {Falls(policy.Fallback)}",
                GuardSentence(policy, hosts),
            ]
            : Array.Empty<string>(),
        policy.Kind == ReactionKind.Alert ? "Nothing is moved, and the host takes virtual machines that require trust again as soon as it is trusted." : "A host that only cannot be checked, because it or a service is silent, is no reason for any of this.",
    ];

    /// <summary>How VMs move, in sentences.</summary>
    public static IReadOnlyList<string> Sentences(MigrationSettings settings) =>
    [
        settings.Mode switch
        {
            MigrationMode.Direct => "The portal drives both hosts; neither needs credentials for the other.",
            MigrationMode.PeerToPeer => "The source's libvirt drives, with credentials of its own for the target.",
            MigrationMode.Tunnelled => "The source's libvirt drives, and memory travels within libvirt's own encrypted connection.",
        },
        settings.CopyStorage ? "A disk that only one host sees is copied along." : "A virtual machine whose disk only one host sees is not moved.",
        $"A move that takes longer than {PolicyWords.Duration(settings.Timeout)} is given up; the virtual machine stays where it was.",
    ];

    /// <summary>What a cluster does, as a word in a sentence.</summary>
    public static string Of(ReactionKind kind) => kind switch
    {
        ReactionKind.Alert => "alert",
        ReactionKind.Quarantine => "quarantine",
        ReactionKind.Evacuate => "evacuate",
    };

    /// <summary>What becomes of a VM no host takes, as a word in a sentence.</summary>
    public static string Of(EvacuationFallback fallback) => fallback switch
    {
        EvacuationFallback.Leave => "leave",
        EvacuationFallback.Pause => "pause",
        EvacuationFallback.ShutDown => "shut down",
    };

    /// <summary>How VMs move, as a word in a sentence.</summary>
    public static string Of(MigrationMode mode) => mode switch
    {
        MigrationMode.Direct => "direct",
        MigrationMode.PeerToPeer => "peer to peer",
        MigrationMode.Tunnelled => "tunnelled",
    };

    /// <summary>Every respect in which two policies differ.</summary>
    public static IReadOnlyList<PolicyDifference> Differences(ReactionPolicy before, ReactionPolicy after) => Changed(
        ("kind", "When a host loses trust", Of(before.Kind), Of(after.Kind)),
        ("fallback", "What no host takes", Of(before.Fallback), Of(after.Fallback)),
        ("atOnce", "Moves at a time", $"{before.AtOnce}", $"{after.AtOnce}"),
        ("reactAfter", "Moves begin after", PolicyWords.Duration(before.ReactAfter), PolicyWords.Duration(after.ReactAfter)),
        ("releaseAfter", "Quarantine ends after", PolicyWords.Duration(before.ReleaseAfter), PolicyWords.Duration(after.ReleaseAfter)),
        ("guardShare", "Guard's share", $"{before.GuardShare} %", $"{after.GuardShare} %"),
        ("guardHosts", "Guard's hosts", $"{before.GuardHosts}", $"{after.GuardHosts}"),
        ("guardWindow", "Guard's time", PolicyWords.Duration(before.GuardWindow), PolicyWords.Duration(after.GuardWindow)));

    /// <summary>Every respect in which two settings differ.</summary>
    public static IReadOnlyList<PolicyDifference> Differences(MigrationSettings before, MigrationSettings after) => Changed(
        ("mode", "Virtual machines move", Of(before.Mode), Of(after.Mode)),
        ("copyStorage", "Disks are copied along", before.CopyStorage ? "yes" : "no", after.CopyStorage ? "yes" : "no"),
        ("timeout", "A move is given up after", PolicyWords.Duration(before.Timeout), PolicyWords.Duration(after.Timeout)));

    private static IReadOnlyList<PolicyDifference> Changed(params (string Field, string Title, string Before, string After)[] all) =>
        [.. all.Where(d => d.Before != d.After).Select(d => new PolicyDifference(d.Field, d.Title, d.Before, d.After, IsLooser: false))];

    private static string QuarantineSentence(ReactionPolicy policy) => policy.ReleaseAfter == TimeSpan.Zero
        ? "The host is in quarantine, taking no virtual machine that requires trust, until it is trusted again."
        : $"The host is in quarantine, taking no virtual machine that requires trust, until it has been trusted again for {PolicyWords.Duration(policy.ReleaseAfter)}, or a person releases it.";

    private static string Begins(ReactionPolicy policy) => policy.ReactAfter == TimeSpan.Zero ? "At once" : $"If it is still untrusted {PolicyWords.Duration(policy.ReactAfter)} later,";

    private static string Falls(EvacuationFallback fallback) => fallback switch
    {
        EvacuationFallback.Leave => "runs on where it is; its mark stays.",
        EvacuationFallback.Pause => "is paused: its CPUs stop, it stays in the host's memory.",
        EvacuationFallback.ShutDown => "is asked to shut down.",
    };

    private static string GuardSentence(ReactionPolicy policy, int hosts)
    {
        var limit = policy.GuardLimit(hosts);
        var reached = limit > hosts ? " This cluster has too few hosts for that." : "";
        return $"If {limit} or more hosts fall within {PolicyWords.Duration(policy.GuardWindow)}, nothing moves until a person lets it go on.{reached}";
    }
}
