namespace Portal.Core.Virtualization;

/// <summary>
/// Told of what happened to VMs on their hosts without the portal's doing, after their rows were committed. A contribution: every registered
/// implementation is called, and a fault of one is its own.
/// </summary>
public interface IWatchMachines
{
    /// <summary>A VM that ran is off, and nobody asked the portal for it. Never called for a VM whose host does not say what became of it.</summary>
    /// <param name="vmId">The VM.</param>
    /// <param name="cause">Why, as far as its host told.</param>
    /// <param name="ct">Cancels.</param>
    Task WentDownAsync(Guid vmId, DomainCause cause, CancellationToken ct);

    /// <summary>A VM that requires trust was seen running though no gate was passed, on a host that is not trusted and fresh under its cluster's policy now.</summary>
    /// <param name="vmId">The VM.</param>
    /// <param name="ct">Cancels.</param>
    Task StartedWithoutGateAsync(Guid vmId, CancellationToken ct);
}
