using System.Text.Json;

namespace Portal.Core.Inventory;

/// <summary>What a cluster does when one of its hosts loses trust. Each does what those before it do, too.</summary>
public enum ReactionKind
{
    /// <summary>An alarm; VMs that require trust are marked.</summary>
    Alert,

    /// <summary>The host takes no VM that requires trust, also for some time after it is trusted again.</summary>
    Quarantine,

    /// <summary>VMs that require trust are moved to trusted hosts.</summary>
    Evacuate,
}

/// <summary>What becomes of a VM that requires trust and can be moved nowhere.</summary>
public enum EvacuationFallback
{
    /// <summary>It runs on; the mark stays.</summary>
    Leave,

    /// <summary>Its CPUs are stopped; it stays in the host's memory.</summary>
    Pause,

    /// <summary>Its guest is asked to shut down.</summary>
    ShutDown,
}

/// <summary>
/// How a cluster reacts to a host that loses trust, and what holds it back. A host that cannot be checked is no reason to react: only a verdict is.
/// </summary>
/// <param name="Kind">What is done.</param>
/// <param name="Fallback">What becomes of a VM no trusted host can take.</param>
/// <param name="AtOnce">How many VMs of a host move at the same time.</param>
/// <param name="GuardShare">Blast-radius guard: of the cluster's hosts, in percent, so many losing trust within <paramref name="GuardWindow"/> hold every reaction but the alert, until a person lets it go on.</param>
/// <param name="GuardHosts">Blast-radius guard in hosts: the share holds back only from so many on.</param>
/// <param name="GuardWindow">Within which time hosts are counted together.</param>
/// <param name="ReactAfter">Hysteresis: how long a host must stay untrusted before VMs are moved.</param>
/// <param name="ReleaseAfter">Hysteresis: how long a host must stay trusted before its quarantine ends by itself.</param>
public sealed record ReactionPolicy(
    ReactionKind Kind,
    EvacuationFallback Fallback,
    int AtOnce,
    int GuardShare,
    int GuardHosts,
    TimeSpan GuardWindow,
    TimeSpan ReactAfter,
    TimeSpan ReleaseAfter)
{
    /// <summary>Alerts only; the guard, once something else is chosen, holds at a third of the hosts, two or more, within five minutes.</summary>
    public static ReactionPolicy Default { get; } = new(
        ReactionKind.Alert,
        EvacuationFallback.Leave,
        2,
        34,
        2,
        TimeSpan.FromMinutes(5),
        TimeSpan.Zero,
        TimeSpan.Zero);

    /// <summary>How many hosts of a cluster of this size fall together before reactions are held.</summary>
    /// <param name="hosts">Hosts of the cluster.</param>
    public int GuardLimit(int hosts) => Math.Max(GuardHosts, ((hosts * GuardShare) + 99) / 100);

    /// <summary>The same policy as it is kept: without fractions of a second.</summary>
    public ReactionPolicy InWholeSeconds() => this with { GuardWindow = Whole(GuardWindow), ReactAfter = Whole(ReactAfter), ReleaseAfter = Whole(ReleaseAfter) };

    private static TimeSpan Whole(TimeSpan time) => TimeSpan.FromSeconds((long)time.TotalSeconds);

    /// <summary>As a column keeps it.</summary>
    public string ToText() => JsonSerializer.Serialize(this);

    /// <summary>From what a column keeps; the default where it is empty.</summary>
    /// <exception cref="JsonException">It was written by something else.</exception>
    public static ReactionPolicy Parse(string text) => text.Length == 0 ? Default : JsonSerializer.Deserialize<ReactionPolicy>(text) ?? Default;
}

/// <summary>Who carries a VM's memory from host to host.</summary>
public enum MigrationMode
{
    /// <summary>The portal drives both hosts: neither needs credentials for the other's libvirt. Memory goes from host to host.</summary>
    Direct,

    /// <summary>The source's libvirt drives, with credentials of its own for the target.</summary>
    PeerToPeer,

    /// <summary>Like <see cref="PeerToPeer"/>, memory within libvirt's own encrypted connection.</summary>
    Tunnelled,
}

/// <summary>How VMs of a cluster move.</summary>
/// <param name="Mode">Who drives.</param>
/// <param name="CopyStorage">Whether a VM whose disk is on one host only may move, its disk copied; otherwise it is refused.</param>
/// <param name="Timeout">After which a move that goes on is given up; the VM stays where it was.</param>
public sealed record MigrationSettings(MigrationMode Mode, bool CopyStorage, TimeSpan Timeout)
{
    /// <summary>Driven by the portal, disks copied, an hour.</summary>
    public static MigrationSettings Default { get; } = new(MigrationMode.Direct, true, TimeSpan.FromHours(1));

    /// <summary>The same settings as they are kept: without fractions of a second.</summary>
    public MigrationSettings InWholeSeconds() => this with { Timeout = TimeSpan.FromSeconds((long)Timeout.TotalSeconds) };

    /// <summary>As a column keeps it.</summary>
    public string ToText() => JsonSerializer.Serialize(this);

    /// <summary>From what a column keeps; the default where it is empty.</summary>
    /// <exception cref="JsonException">It was written by something else.</exception>
    public static MigrationSettings Parse(string text) => text.Length == 0 ? Default : JsonSerializer.Deserialize<MigrationSettings>(text) ?? Default;
}
