using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Steps;

/// <summary>Where a VM is after a move that may have been broken off.</summary>
internal enum Place
{
    /// <summary>Where it was.</summary>
    Source,

    /// <summary>Where it was to go.</summary>
    Target,

    /// <summary>On neither, though both answer.</summary>
    Nowhere,

    /// <summary>A host that does not answer may have it.</summary>
    Untold,
}

/// <summary>Where a VM is by what both hosts say.</summary>
/// <param name="Place">Where.</param>
/// <param name="Leftover">What the other host has of it, if that is known.</param>
internal sealed record Whereabouts(Place Place, Domain? Leftover)
{
    /// <summary>
    /// A hypervisor lets a machine run at the target only once it is stopped at the source. So the livelier of two copies is the machine, the source's
    /// when they are alike; and one host alone can tell when its copy does what the machine did before the move.
    /// </summary>
    /// <param name="source">What the source says.</param>
    /// <param name="target">What the target says; to be asked first, so that a machine that arrives between the two questions is not missed.</param>
    /// <param name="before">What the VM did before the move.</param>
    public static Whereabouts Of(DomainAnswer source, DomainAnswer target, VirtualMachineStatus before) => (source, target) switch
    {
        ({ Domain: { } here }, { Domain: { } there }) => Life(there) > Life(here) ? new(Place.Target, here) : new(Place.Source, there),
        ({ Domain: not null }, { Reached: true }) => new(Place.Source, null),
        ({ Reached: true }, { Domain: not null }) => new(Place.Target, null),
        ({ Reached: true }, { Reached: true }) => new(Place.Nowhere, null),
        ({ Domain: { } here }, _) => new(Life(here) >= Life(before) ? Place.Source : Place.Untold, null),
        ({ Reached: true }, _) => new(Place.Target, null),
        (_, { Domain: { } there }) => new(Life(there) is 2 || Life(before) is 0 ? Place.Target : Place.Untold, null),
        (_, { Reached: true }) => new(Place.Source, null),
        _ => new(Place.Untold, null),
    };

    private static int Life(Domain domain) => domain.State switch
    {
        DomainState.Running or DomainState.ShuttingDown => 2,
        DomainState.Paused => 1,
        DomainState.ShutOff => 0,
    };

    private static int Life(VirtualMachineStatus before) => before switch
    {
        VirtualMachineStatus.Up => 2,
        VirtualMachineStatus.Paused => 1,
        _ => 0,
    };
}
