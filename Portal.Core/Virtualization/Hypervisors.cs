using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>Finds the adapter that reaches a host.</summary>
/// <param name="adapters">All hypervisor adapters.</param>
/// <param name="contexts">The database.</param>
public sealed class Hypervisors(IEnumerable<IHypervisor> adapters, IDbContextFactory<PortalDbContext> contexts)
{
    private readonly IHypervisor[] adapters = [.. adapters];

    /// <summary>All adapters.</summary>
    public IReadOnlyList<IHypervisor> All => adapters;

    /// <summary>The adapter for a host; a stand-in that reaches nothing when there is none.</summary>
    public IHypervisor Of(HostEndpoint host) => adapters.FirstOrDefault(a => a.Reaches(host)) ?? UnreachedHypervisor.Instance;

    /// <summary>A host's endpoint by id; null when it is gone.</summary>
    public async Task<HostEndpoint?> EndpointAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Hosts.AsNoTracking().Where(h => h.Id == hostId).Select(h => new HostEndpoint(h.Id, h.Name, h.Address, h.LibvirtUri)).SingleOrDefaultAsync(ct);
    }
}

/// <summary>Stands in for a host no adapter reaches.</summary>
internal sealed class UnreachedHypervisor : IHypervisor
{
    private static readonly HypervisorAnswer Unreachable = new(HypervisorResult.Unreachable, "No adapter reaches this host.");

    public static UnreachedHypervisor Instance { get; } = new();

    public bool Reaches(HostEndpoint host) => true;

    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct) => Task.FromResult(Unreachable);

    public Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => Task.FromResult(new DomainAnswer(false, null));

    public Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct) => Task.FromResult<IReadOnlyList<Domain>?>(null);

    public Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct) => Task.FromResult<HypervisorDescription?>(null);

    public async IAsyncEnumerable<HypervisorEvent> EventsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask;
        yield break;
    }
}
