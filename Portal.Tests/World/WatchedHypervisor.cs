using Portal.Core.Virtualization;

namespace Portal.Tests.World;

/// <summary>A hypervisor that tells of every start before it does it: the moment at which trust has to be given.</summary>
/// <param name="real">Does the work.</param>
/// <param name="starting">Told of the host and the VM.</param>
internal sealed class WatchedHypervisor(IHypervisor real, Action<string, Guid> starting) : IHypervisor
{
    public bool Reaches(HostEndpoint host) => real.Reaches(host);

    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => real.CreateAsync(host, definition, ct);

    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct)
    {
        starting(host.Name, virtualMachineId);
        return real.StartAsync(host, virtualMachineId, ct);
    }

    public Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => real.ShutdownAsync(host, virtualMachineId, ct);

    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => real.StopAsync(host, virtualMachineId, ct);

    public Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, CancellationToken ct) => real.MigrateAsync(source, target, virtualMachineId, ct);

    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => real.RedefineAsync(host, definition, ct);

    public Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => real.DeleteAsync(host, virtualMachineId, ct);

    public Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => real.FindAsync(host, virtualMachineId, ct);

    public Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct) => real.ListAsync(host, ct);

    public IAsyncEnumerable<DomainEvent> EventsAsync(CancellationToken ct) => real.EventsAsync(ct);
}
