using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Hosts with a libvirt: QEMU's, through its own library. A host that does not answer holds up nobody but who asks it.</summary>
internal sealed class LibvirtHypervisor(LibvirtConnections connections, LibvirtOptions options, TimeProvider time) : IHypervisor
{
    public bool Reaches(HostEndpoint host) => host.LibvirtUri is not null;

    public Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => AskAsync(host, domains => domains.Create(definition), ct);

    public Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => AskAsync(host, domains => domains.Start(virtualMachineId), ct);

    public async Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct)
    {
        var asked = connections.Of(host).ShutdownsAsked;
        if (asked.Within(virtualMachineId, time.GetUtcNow(), options.ShutdownPatience) && await FindAsync(host, virtualMachineId, ct) is { Domain: { State: DomainState.ShuttingDown } known })
        {
            return Answers.AlreadySo($"{known.Definition.Name} is already shutting down.");
        }

        // Noted before: the guest may be quicker than the answer.
        asked.Note(virtualMachineId, time.GetUtcNow());
        var answer = await AskAsync(host, domains => domains.Shutdown(virtualMachineId), ct);
        if (answer.Result != HypervisorResult.Done)
        {
            asked.Forget(virtualMachineId);
        }

        return answer;
    }

    public Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => AskAsync(host, domains => domains.Stop(virtualMachineId), ct);

    public Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => AskAsync(host, domains => domains.Reboot(virtualMachineId), ct);

    public Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => AskAsync(host, domains => domains.Pause(virtualMachineId), ct);

    public Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct) => AskAsync(host, domains => domains.Resume(virtualMachineId), ct);

    public Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct) => AskAsync(host, domains => domains.Redefine(definition), ct);

    public async Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct)
    {
        if (!withDisks || await ElsewhereAsync(host, virtualMachineId, ct) is not { } elsewhere)
        {
            return await AskAsync(host, domains => domains.Delete(virtualMachineId, withDisks), ct);
        }

        // Its storage may be the same: what is left over here must not take the disk of what lives there.
        var answer = await AskAsync(host, domains => domains.Delete(virtualMachineId, withDisk: false), ct);
        return answer with { Sentence = $"{answer.Sentence} Its disk was left: the VM is on {elsewhere}, too." };
    }

    public async Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct)
    {
        LibvirtConnection from;
        LibvirtConnection to;
        try
        {
            (from, to) = (connections.Of(source), connections.Of(target));
            var move = new Move(from, to, virtualMachineId, settings, progress, options, time);
            return await move.RunAsync(ct);
        }
        catch (LibvirtFault fault)
        {
            return Answers.Of(fault, target.Name);
        }
    }

    public async Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct)
    {
        var connection = connections.Of(host);
        try
        {
            return new DomainAnswer(true, Told(connection, await connection.CallAsync(connect => new DomainCalls(connect, host.Name).Find(virtualMachineId), ct)));
        }
        catch (LibvirtFault)
        {
            return new DomainAnswer(false, null);
        }
    }

    public async Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct)
    {
        var connection = connections.Of(host);
        try
        {
            var found = await connection.CallAsync(connect => new DomainCalls(connect, host.Name).List(), ct);
            return [.. found.Select(d => Told(connection, d)!).OrderBy(d => d.Definition.Name, StringComparer.Ordinal)];
        }
        catch (LibvirtFault)
        {
            return null;
        }
    }

    public async Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct)
    {
        try
        {
            var session = await connections.Of(host).SessionAsync(ct);
            return await session.CallAsync(options.CallDeadline, time, connect => HostDescription.Of(connect, session.Sentence), ct);
        }
        catch (LibvirtFault)
        {
            return null;
        }
    }

    public IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct) => connections.EventsAsync(ct);

    private async Task<HypervisorAnswer> AskAsync(HostEndpoint host, Func<DomainCalls, HypervisorAnswer> ask, CancellationToken ct)
    {
        try
        {
            return await connections.Of(host).CallAsync(connect => ask(new DomainCalls(connect, host.Name)), ct);
        }
        catch (LibvirtFault fault)
        {
            return Answers.Of(fault, host.Name);
        }
    }

    /// <summary>A guest that was asked to shut down runs, says libvirt, until it has.</summary>
    private Domain? Told(LibvirtConnection connection, Domain? domain) =>
        domain is { State: DomainState.Running } && connection.ShutdownsAsked.Within(domain.Definition.Id, time.GetUtcNow(), options.ShutdownPatience)
            ? domain with { State = DomainState.ShuttingDown }
            : domain;

    /// <summary>Another host that has the VM, too, of those that answer.</summary>
    private async Task<string?> ElsewhereAsync(HostEndpoint host, Guid id, CancellationToken ct)
    {
        foreach (var other in connections.All.Where(c => c.Host.Id != host.Id && c.State is { Answers: true }))
        {
            if (await FindAsync(other.Host, id, ct) is { Domain: not null })
            {
                return other.Host.Name;
            }
        }

        return null;
    }
}
