using System.Diagnostics;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.E2E.Load;

/// <summary>The hypervisor as it is, and how long its own calls take.</summary>
internal sealed class TimedHypervisor(IHypervisor inner) : IHypervisor
{
    private long ticks;

    /// <summary>Time spent inside it since this was asked last.</summary>
    public TimeSpan Take() => Stopwatch.GetElapsedTime(0, Interlocked.Exchange(ref ticks, 0));

    public bool Reaches(HostEndpoint host) => inner.Reaches(host);

    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => TimeAsync(inner.CreateAsync(host, definition, ct));

    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.StartAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.ShutdownAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.StopAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.RebootAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.PauseAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => TimeAsync(inner.ResumeAsync(host, virtualMachineId, ct));

    public Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct) =>
        TimeAsync(inner.MigrateAsync(source, target, virtualMachineId, settings, progress, ct));

    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => TimeAsync(inner.RedefineAsync(host, definition, ct));

    public Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct) => TimeAsync(inner.DeleteAsync(host, virtualMachineId, withDisks, ct));

    public Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => inner.FindAsync(host, virtualMachineId, ct);

    public Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct) => inner.ListAsync(host, ct);

    public Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct) => inner.DescribeAsync(host, ct);

    public IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct) => inner.EventsAsync(ct);

    private async Task<T> TimeAsync<T>(Task<T> call)
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            return await call;
        }
        finally
        {
            Interlocked.Add(ref ticks, Stopwatch.GetTimestamp() - began);
        }
    }
}
