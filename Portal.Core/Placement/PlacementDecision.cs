using Portal.Core.Inventory;

namespace Portal.Core.Placement;

/// <summary>What a placement is for.</summary>
public enum PlacementPurpose
{
    /// <summary>A new VM.</summary>
    Create,

    /// <summary>A VM starts.</summary>
    Start,

    /// <summary>A VM moves.</summary>
    Migrate,

    /// <summary>A person asks where it could run; nothing is claimed.</summary>
    Preview,

    /// <summary>A paused VM runs on, where it is.</summary>
    Resume,

    /// <summary>A running VM's guest boots anew, where it is.</summary>
    Reboot,
}

/// <summary>What purposes have in common.</summary>
public static class PlacementPurposes
{
    /// <summary>Whether the VM is in its host's memory and goes nowhere: then only that host is asked about, and only whether it qualifies.</summary>
    public static bool Stays(this PlacementPurpose purpose) => purpose switch
    {
        PlacementPurpose.Resume or PlacementPurpose.Reboot => true,
        PlacementPurpose.Create or PlacementPurpose.Start or PlacementPurpose.Migrate or PlacementPurpose.Preview => false,
    };
}

/// <summary>A question to placement.</summary>
public sealed record PlacementRequest
{
    /// <summary>The cluster to look in.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>Virtual CPUs needed.</summary>
    public required int Cpus { get; init; }

    /// <summary>Memory needed, in bytes.</summary>
    public required long Memory { get; init; }

    /// <summary>What is asked of the host.</summary>
    public required TrustLevel TrustLevel { get; init; }

    /// <summary>What for.</summary>
    public required PlacementPurpose Purpose { get; init; }

    /// <summary>The VM, when there is one.</summary>
    public Guid? VirtualMachineId { get; init; }

    /// <summary>Where it is now: its own claim there counts as free, and a migration never goes there.</summary>
    public Guid? CurrentHostId { get; init; }

    /// <summary>Only this host will do, when a person chose one.</summary>
    public Guid? OnlyHostId { get; init; }

    /// <summary>The disk it needs; null for none.</summary>
    public StorageNeed? Storage { get; init; }
}

/// <summary>A disk somebody needs a place for.</summary>
/// <param name="Pool">The storage pool.</param>
/// <param name="Image">The volume of that pool it is a clone of; empty for an empty disk.</param>
/// <param name="Disk">Bytes.</param>
public sealed record StorageNeed(string Pool, string Image, long Disk)
{
    /// <summary>The need, or null where there is no pool and so no disk.</summary>
    public static StorageNeed? Of(string pool, string image, long disk) => pool.Length == 0 ? null : new StorageNeed(pool, image, disk);
}

/// <summary>Why a host is not eligible.</summary>
/// <param name="Code">Stable and dotted, for example <c>memory.short</c>: what reasons are counted by.</param>
/// <param name="Sentence">In words, with figures.</param>
public sealed record HostReason(string Code, string Sentence);

/// <summary>One refused host with all its reasons.</summary>
/// <param name="HostId">The host.</param>
/// <param name="HostName">Its name at that time.</param>
/// <param name="Reasons">All reasons, not the first.</param>
public sealed record RefusedHost(Guid HostId, string HostName, IReadOnlyList<HostReason> Reasons);

/// <summary>One eligible host.</summary>
/// <param name="HostId">The host.</param>
/// <param name="HostName">Its name at that time.</param>
/// <param name="Weight">What the weighers gave it; larger is better.</param>
public sealed record EligibleHost(Guid HostId, string HostName, double Weight);

/// <summary>Refused hosts counted by reason.</summary>
/// <param name="Code">The reason.</param>
/// <param name="Words">The reason in words without a host's figures, for example <c>untrusted</c>.</param>
/// <param name="Hosts">How many hosts.</param>
public sealed record ReasonCount(string Code, string Words, int Hosts);

/// <summary>Why where: for every host, eligible or why not.</summary>
public sealed record PlacementDecision
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The question.</summary>
    public required PlacementRequest Request { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>How many hosts were looked at.</summary>
    public required int Considered { get; init; }

    /// <summary>Eligible hosts, best first (up to 500; beyond that the 100 best).</summary>
    public required IReadOnlyList<EligibleHost> Eligible { get; init; }

    /// <summary>How many hosts were eligible.</summary>
    public required int EligibleCount { get; init; }

    /// <summary>Refused hosts with all reasons (up to 500 hosts considered; beyond that the 100 nearest to eligible).</summary>
    public required IReadOnlyList<RefusedHost> Refused { get; init; }

    /// <summary>Refused hosts by reason, most first; a host with two reasons counts under both.</summary>
    public required IReadOnlyList<ReasonCount> Counts { get; init; }

    /// <summary>The host that was chosen and claimed, if one was.</summary>
    public EligibleHost? Chosen { get; init; }
}

/// <summary>A stored <see cref="PlacementDecision"/>.</summary>
public sealed class DecisionRecord
{
    /// <summary>Identifier.</summary>
    public required Guid Id { get; init; }

    /// <summary>The VM.</summary>
    public Guid? VirtualMachineId { get; init; }

    /// <summary>The operation that asked.</summary>
    public Guid? OperationId { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What for.</summary>
    public required PlacementPurpose Purpose { get; init; }

    /// <summary>The chosen host, if any.</summary>
    public Guid? HostId { get; init; }

    /// <summary>The decision as JSON.</summary>
    public required string Decision { get; init; }
}

/// <summary>Proof of why a VM was let onto a host: kept with the VM.</summary>
public sealed class PlacementReceipt
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The VM.</summary>
    public required Guid VirtualMachineId { get; init; }

    /// <summary>The decision.</summary>
    public required Guid DecisionId { get; init; }

    /// <summary>The operation.</summary>
    public required Guid OperationId { get; init; }

    /// <summary>When the claim was made.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What for.</summary>
    public required PlacementPurpose Purpose { get; init; }

    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The host's name at that time.</summary>
    public required string HostName { get; init; }

    /// <summary>What the VM asked for.</summary>
    public required TrustLevel TrustLevel { get; init; }

    /// <summary>The host's verdict then, in words; empty when none was asked for.</summary>
    public required string Verdict { get; init; }

    /// <summary>When the evidence's nonce was issued.</summary>
    public DateTimeOffset? VerifiedAt { get; init; }

    /// <summary>SHA-256 of the evidence, hexadecimal.</summary>
    public string? EvidenceDigest { get; init; }

    /// <summary>The nonce of that evidence.</summary>
    public string? Nonce { get; init; }

    /// <summary>The random part of that nonce, hexadecimal.</summary>
    public string? NonceRandom { get; init; }

    /// <summary>The cluster's policy revision then.</summary>
    public long PolicyRevision { get; init; }

    /// <summary>Baselines that matched, as JSON list of "name rev. n".</summary>
    public string Baselines { get; init; } = "[]";
}
