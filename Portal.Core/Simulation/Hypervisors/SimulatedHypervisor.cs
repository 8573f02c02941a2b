using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation.Hypervisors;

/// <summary>Hypervisors of the simulated hosts. Each call is one transaction of the simulation's file; a call done twice is seen to be done.</summary>
public sealed partial class SimulatedHypervisor : IHypervisor, IDisposable
{
    private readonly SimulationState state;
    private readonly TimeProvider time;
    private readonly TimeSpan shutdownTime;
    private readonly ISimulationPause pause;
    private readonly ILogger<SimulatedHypervisor> log;
    private readonly ConcurrentDictionary<(string Host, Guid Id), ITimer> shutdowns = new();

    /// <summary>Takes up where the file left off: guests that were shutting down go on doing so.</summary>
    /// <param name="state">The simulated world.</param>
    /// <param name="time">The clock guests shut down by.</param>
    /// <param name="options">How long they take.</param>
    /// <param name="pause">Holds calls up.</param>
    /// <param name="log">Where a file that cannot be written is told.</param>
    public SimulatedHypervisor(SimulationState state, TimeProvider time, SimulationOptions options, ISimulationPause pause, ILogger<SimulatedHypervisor> log)
    {
        (this.state, this.time, this.pause, this.log) = (state, time, pause, log);
        shutdownTime = options.ShutdownTime;
        foreach (var (host, domain) in state.Domains.Where(d => d.Domain.State == DomainState.ShuttingDown))
        {
            Await(host, domain.Definition.Id);
        }
    }

    /// <inheritdoc/>
    public bool Reaches(HostEndpoint host) => SimulatedHost.NameIn(host) is not null;

    /// <inheritdoc/>
    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) =>
        CallAsync("create", host, h => DomainDecisions.Create(h, state.DomainsOf(h.Name), definition), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) =>
        CallAsync("start", host, h => DomainDecisions.Start(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => CallAsync(
        "shutdown",
        host,
        h =>
        {
            var decided = DomainDecisions.Shutdown(h, state.DomainsOf(h.Name), virtualMachineId);
            return decided.Changes.Count == 0 ? decided : decided with { Then = () => Await(h.Name, virtualMachineId) };
        },
        ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) =>
        CallAsync("stop", host, h => DomainDecisions.Stop(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) =>
        CallAsync("reboot", host, h => DomainDecisions.Reboot(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) =>
        CallAsync("pause", host, h => DomainDecisions.Pause(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) =>
        CallAsync("resume", host, h => DomainDecisions.Resume(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) =>
        CallAsync("redefine", host, h => DomainDecisions.Redefine(h, state.DomainsOf(h.Name), definition), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct) =>
        CallAsync("delete", host, h => DomainDecisions.Delete(h, state.DomainsOf(h.Name), virtualMachineId), ct);

    /// <inheritdoc/>
    public Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct)
    {
        state.Learn(target);
        return CallAsync("migrate", source, from => Reached(target) is { } to
            ? DomainDecisions.Migrate(from, to, state.DomainsOf(from.Name), state.DomainsOf(to.Name), virtualMachineId)
            : Decided.No(HypervisorResult.Unreachable, $"The hypervisor of {target.Name} does not answer."), ct);
    }

    /// <inheritdoc/>
    public Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        state.Learn(host);
        return Task.FromResult(Reached(host) is { } reached
            ? new DomainAnswer(true, state.DomainsOf(reached.Name).GetValueOrDefault(virtualMachineId))
            : new DomainAnswer(false, null));
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        state.Learn(host);
        return Task.FromResult<IReadOnlyList<Domain>?>(Reached(host) is { } reached
            ? [.. state.DomainsOf(reached.Name).Values.OrderBy(d => d.Definition.Name, StringComparer.Ordinal)]
            : null);
    }

    /// <summary>Simulated hosts say what they are when they are made, and nothing afterwards.</summary>
    public Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct) => Task.FromResult<HypervisorDescription?>(null);

    /// <inheritdoc/>
    public IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct) => state.Events.Listen(state.Connections, ct);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var timer in shutdowns.Values)
        {
            timer.Dispose();
        }
    }

    private async Task<HypervisorAnswer> CallAsync(string call, HostEndpoint endpoint, Func<SimulatedHost, Decided> decide, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        state.Learn(endpoint);
        await pause.AtAsync(SimulationPoint.BeforeCommit, call, endpoint.Name, ct);
        var decided = Carry(call, endpoint, decide);
        decided.Then?.Invoke();
        await pause.AtAsync(SimulationPoint.AfterCommit, call, endpoint.Name, ct);
        return decided.Answer;
    }

    private Decided Carry(string call, HostEndpoint endpoint, Func<SimulatedHost, Decided> decide)
    {
        try
        {
            return state.Change(() =>
            {
                var decided = Reached(endpoint) is { } host
                    ? decide(host)
                    : Decided.No(HypervisorResult.Unreachable, $"The hypervisor of {endpoint.Name} does not answer.");
                return (decided, decided.Changes);
            });
        }
        catch (SqliteException fault)
        {
            NotWritten(log, call, endpoint.Name, fault);
            return Decided.No(HypervisorResult.Failed, $"The hypervisor of {endpoint.Name} failed: its state could not be written.");
        }
    }

    private SimulatedHost? Reached(HostEndpoint endpoint) => state.Find(endpoint) is { HypervisorUnreachable: false } host ? host : null;

    private void Await(string host, Guid id)
    {
        var timer = time.CreateTimer(_ => Finish(host, id), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        shutdowns.AddOrUpdate((host, id), timer, (_, earlier) =>
        {
            earlier.Dispose();
            return timer;
        });
        timer.Change(shutdownTime, Timeout.InfiniteTimeSpan);
    }

    private void Finish(string host, Guid id)
    {
        if (shutdowns.TryRemove((host, id), out var timer))
        {
            timer.Dispose();
        }

        try
        {
            state.Change(() => (true, DomainDecisions.ShutdownDone(host, state.DomainsOf(host), id)));
        }
        catch (Exception fault) when (fault is SqliteException or InvalidOperationException)
        {
            NotWritten(log, "shutdown", host, fault);
        }
    }

    [LoggerMessage(901, LogLevel.Error, "The simulated call {Call} on {Host} could not be written")]
    private static partial void NotWritten(ILogger log, string call, string host, Exception fault);
}
