using System.Collections.Concurrent;
using System.Threading.Channels;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Tests.World;

/// <summary>Hypervisors of hosts whose libvirt URI begins with <c>test:</c>: they have what a test gives them, and tell what it tells.</summary>
internal sealed class ScriptedHypervisor : IHypervisor
{
    private readonly ConcurrentDictionary<Guid, ScriptedHost> hosts = new();
    private readonly Channel<HypervisorEvent> told = Channel.CreateUnbounded<HypervisorEvent>();

    public ScriptedHost Of(Host host) => Of(host.Id);

    public void Tell(HypervisorEvent happened) => told.Writer.TryWrite(happened);

    public void Connect(Host host) => Tell(new ConnectionEvent(host.Id, true, "QEMU 7.2.22, libvirt 9.0.0"));

    public void Disconnect(Host host, string why = "No route to it.") => Tell(new ConnectionEvent(host.Id, false, why));

    /// <summary>Something happens to a domain, and is told.</summary>
    public void Set(Host host, Domain domain, DomainCause cause = DomainCause.Ordinary)
    {
        Of(host).Domains[domain.Definition.Id] = domain;
        Tell(new DomainEvent(host.Id, domain.Definition.Id, domain.State, cause));
    }

    public void Remove(Host host, Guid id, DomainCause cause = DomainCause.Ordinary)
    {
        Of(host).Domains.TryRemove(id, out _);
        Tell(new DomainEvent(host.Id, id, null, cause));
    }

    public bool Reaches(HostEndpoint host) => host.LibvirtUri?.StartsWith("test:", StringComparison.Ordinal) == true;

    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) =>
        AnswerAsync(host, h => h.Domains.TryAdd(definition.Id, new Domain(definition, DomainState.ShutOff)) ? HypervisorResult.Done : HypervisorResult.AlreadySo);

    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.Running);

    public Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.ShuttingDown);

    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.ShutOff);

    public Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.Running);

    public Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.Paused);

    public Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => BecomeAsync(host, virtualMachineId, DomainState.Running);

    public Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct) => AnswerAsync(source, h =>
    {
        if (!h.Domains.TryRemove(virtualMachineId, out var domain))
        {
            return HypervisorResult.NotFound;
        }

        Of(target.Id).Domains[virtualMachineId] = domain;
        return HypervisorResult.Done;
    });

    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => AnswerAsync(host, h =>
    {
        if (!h.Domains.TryGetValue(definition.Id, out var domain))
        {
            return HypervisorResult.NotFound;
        }

        h.Domains[definition.Id] = domain with { Definition = definition, IsOurs = true };
        return HypervisorResult.Done;
    });

    public Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct) =>
        AnswerAsync(host, h => h.Domains.TryRemove(virtualMachineId, out _) ? HypervisorResult.Done : HypervisorResult.AlreadySo);

    public async Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct)
    {
        var at = await AnswersAsync(host);
        return at is null ? new DomainAnswer(false, null) : new DomainAnswer(true, at.Domains.GetValueOrDefault(virtualMachineId));
    }

    public async Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct) => await AnswersAsync(host) is { } at ? [.. at.Domains.Values] : null;

    public async Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct) => (await AnswersAsync(host))?.Description;

    public IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct) => told.Reader.ReadAllAsync(ct);

    private ScriptedHost Of(Guid id) => hosts.GetOrAdd(id, _ => new ScriptedHost());

    private async Task<ScriptedHost?> AnswersAsync(HostEndpoint host)
    {
        var at = Of(host.Id);
        await at.Thaw;
        return at.IsSilent ? null : at;
    }

    private Task<HypervisorAnswer> BecomeAsync(HostEndpoint host, Guid id, DomainState state) => AnswerAsync(host, h =>
    {
        if (!h.Domains.TryGetValue(id, out var domain))
        {
            return HypervisorResult.NotFound;
        }

        h.Domains[id] = domain with { State = state };
        Tell(new DomainEvent(host.Id, id, state));
        return HypervisorResult.Done;
    });

    private async Task<HypervisorAnswer> AnswerAsync(HostEndpoint host, Func<ScriptedHost, HypervisorResult> call)
    {
        if (await AnswersAsync(host) is not { } at)
        {
            return new HypervisorAnswer(HypervisorResult.Unreachable, "It does not answer.");
        }

        var result = call(at);
        return new HypervisorAnswer(result, $"{result} on {host.Name}.");
    }
}

/// <summary>What a scripted host has.</summary>
internal sealed class ScriptedHost
{
    public ConcurrentDictionary<Guid, Domain> Domains { get; } = new();

    /// <summary>What it says of itself; null for nothing.</summary>
    public HypervisorDescription? Description { get; set; } = new(8, 64L << 30, new HostHardware { Manufacturer = "Example", Uuid = "11111111-2222-3333-4444-555555555555", Hypervisor = "QEMU 7.2.22, libvirt 9.0.0" }, [], ["default"]);

    /// <summary>Whether it does not answer, at once.</summary>
    public bool IsSilent { get; set; }

    /// <summary>Until when questions hang: a host that is frozen never ends it.</summary>
    public Task Thaw { get; set; } = Task.CompletedTask;
}
