using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>Why a host is emptied.</summary>
internal enum EvacuationPurpose
{
    /// <summary>It lost trust: VMs that require trust leave.</summary>
    TrustLost,

    /// <summary>It goes to maintenance: every VM leaves.</summary>
    Maintenance,
}

/// <summary>A VM an evacuation has to do with.</summary>
/// <param name="Id">The VM.</param>
/// <param name="Name">Its name at that time.</param>
internal sealed record EvacuatedMachine(Guid Id, string Name);

/// <summary>Data of an operation that empties a host.</summary>
internal sealed record EvacuationWork
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>Its name.</summary>
    public required string HostName { get; init; }

    /// <summary>Its cluster.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>Why.</summary>
    public required EvacuationPurpose Purpose { get; init; }

    /// <summary>How many VMs move at the same time.</summary>
    public required int AtOnce { get; init; }

    /// <summary>What becomes of a VM that can be moved nowhere; for maintenance it is waited for.</summary>
    public EvacuationFallback Fallback { get; init; }

    /// <summary>The one VM that was started there behind the portal's back, if it is about that one only.</summary>
    public Guid? OnlyVirtualMachineId { get; init; }

    /// <summary>Every VM it had to do with so far.</summary>
    public List<EvacuatedMachine> Machines { get; init; } = [];

    /// <summary>Whether it ended early because the reason for it went away.</summary>
    public bool ReasonWentAway { get; set; }
}
