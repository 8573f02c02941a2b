using System.Text.Json;

namespace Portal.E2E.Peers.Crash;

/// <summary>What the portal, its database and the simulated world say once all operations of before a crash have ended. They must agree.</summary>
/// <param name="portal">The portal, started again.</param>
/// <param name="when">Which crash, for messages.</param>
internal sealed class Aftermath(RunningPortal portal, string when)
{
    private const int Down = 0;
    private const int Up = 2;
    private const int Succeeded = 3;

    private sealed record Vm(Guid Id, string Name, Guid? HostId, Guid? TargetHostId, long Memory, int Cpus, int Status, bool RequiresTrust);

    private sealed record Host(Guid Id, string Name, long MemoryClaimed, int CpusClaimed);

    private sealed record Domain(string Host, Guid Id, string Name, string State);

    private sealed record Operation(Guid TargetId, string Kind, int State);

    public async Task AssertSoundAsync(IReadOnlyDictionary<Guid, string> answered, IReadOnlyDictionary<Guid, bool> deleted)
    {
        var (vms, hosts, operations, receipts) = ReadPortal();
        var domains = ReadWorld();
        AssertNothingTwice(vms, domains);
        AssertWorldAgrees(vms, hosts, domains);
        AssertNothingLost(vms, operations, answered, deleted);
        AssertNoCapacityLeaked(vms, hosts);
        Say(vms.Where(v => v.RequiresTrust && v.Status == Up && !receipts.Contains(v.Id)).Select(v => $"{v.Name} requires trust and runs without a receipt"));
        await AssertRestAgreesAsync(vms);
        Assert.Contains("The audit chain is intact", portal.Said, StringComparison.Ordinal);
    }

    private (List<Vm> Vms, List<Host> Hosts, List<Operation> Operations, HashSet<Guid> Receipts) ReadPortal()
    {
        using var database = new ReadOnlyDatabase(portal.Database);
        return (
            database.Rows(
                "SELECT Id, Name, HostId, TargetHostId, Memory, Cpus, Status, TrustLevel FROM VirtualMachines",
                r => new Vm(r.GetGuid(0), r.GetString(1), r.IsDBNull(2) ? null : r.GetGuid(2), r.IsDBNull(3) ? null : r.GetGuid(3), r.GetInt64(4), r.GetInt32(5), r.GetInt32(6), r.GetInt32(7) != 0)),
            database.Rows("SELECT Id, Name, MemoryClaimed, CpusClaimed FROM Hosts", r => new Host(r.GetGuid(0), r.GetString(1), r.GetInt64(2), r.GetInt32(3))),
            database.Rows("SELECT TargetId, Kind, State FROM Operations", r => new Operation(r.GetGuid(0), r.GetString(1), r.GetInt32(2))),
            [.. database.Rows("SELECT VirtualMachineId FROM Receipts", r => r.GetGuid(0))]);
    }

    private List<Domain> ReadWorld()
    {
        using var database = new ReadOnlyDatabase(portal.SimulationDatabase);
        return database.Rows("SELECT host, id, definition, state FROM domains", r =>
            new Domain(r.GetString(0), Guid.Parse(r.GetString(1)), JsonDocument.Parse(r.GetString(2)).RootElement.GetProperty("Name").GetString()!, r.GetString(3)));
    }

    private void AssertNothingTwice(List<Vm> vms, List<Domain> domains) => Say(
    [
        .. domains.GroupBy(d => d.Id).Where(g => g.Skip(1).Any()).Select(g => $"{g.First().Name} is on {string.Join(" and ", g.Select(d => d.Host))}"),
        .. domains.GroupBy(d => d.Name, StringComparer.Ordinal).Where(g => g.Select(d => d.Id).Distinct().Skip(1).Any()).Select(g => $"hypervisors know several VMs named {g.Key}"),
        .. vms.GroupBy(v => v.Name, StringComparer.Ordinal).Where(g => g.Skip(1).Any()).Select(g => $"the portal knows several VMs named {g.Key}"),
    ]);

    /// <summary>Every VM is on exactly the host the portal says, in the state it says, and hypervisors run nothing the portal does not know.</summary>
    private void AssertWorldAgrees(List<Vm> vms, List<Host> hosts, List<Domain> domains)
    {
        var hostNames = hosts.ToDictionary(h => h.Id, h => h.Name);
        var portalSays = vms.Select(v => $"{v.Name} {v.Id} on {(v.HostId is { } host ? hostNames[host] : "no host")}{(v.TargetHostId is null ? "" : " and moving")}, {Word(v.Status)}");
        var worldSays = domains.Select(d => $"{d.Name} {d.Id} on {d.Host}, {(d.State == "Running" ? "running" : "off")}");
        var (left, right) = (portalSays.ToHashSet(StringComparer.Ordinal), worldSays.ToHashSet(StringComparer.Ordinal));
        Say([.. left.Except(right).Select(s => $"only the portal says: {s}"), .. right.Except(left).Select(s => $"only the hypervisor says: {s}")]);

        static string Word(int status) => status switch
        {
            Up => "running",
            Down => "off",
            _ => $"in the state {status} without an operation",
        };
    }

    /// <summary>What was answered 201 or 202 is there, unless its creation failed after the answer or somebody asked for its deletion.</summary>
    private void AssertNothingLost(List<Vm> vms, List<Operation> operations, IReadOnlyDictionary<Guid, string> answered, IReadOnlyDictionary<Guid, bool> deleted)
    {
        var there = vms.Select(v => v.Id).ToHashSet();
        var failed = operations.Where(o => o.Kind.StartsWith("vm.create", StringComparison.Ordinal) && o.State != Succeeded).Select(o => o.TargetId).ToHashSet();
        Say(answered.Where(a => !there.Contains(a.Key) && !failed.Contains(a.Key) && !deleted.ContainsKey(a.Key)).Select(a => $"{a.Value} was answered as created and is lost"));

        // And what the record says succeeded: the answer may have been cut off.
        var created = operations.Where(o => o.Kind.StartsWith("vm.create", StringComparison.Ordinal) && o.State == Succeeded).Select(o => o.TargetId);
        var removed = operations.Where(o => o.Kind == "vm.delete" && o.State == Succeeded).Select(o => o.TargetId).ToHashSet();
        Say(created.Where(id => there.Contains(id) == removed.Contains(id)).Select(id => $"creation of {id} succeeded, yet it is {(there.Contains(id) ? "there after its deletion" : "lost")}"));
        Say(failed.Where(there.Contains).Select(id => $"creation of {id} failed, yet it is there"));
    }

    private void AssertNoCapacityLeaked(List<Vm> vms, List<Host> hosts)
    {
        foreach (var host in hosts)
        {
            var here = vms.Where(v => v.HostId == host.Id || v.TargetHostId == host.Id).ToList();
            Say(here.Sum(v => v.Memory) == host.MemoryClaimed ? [] : [$"{host.Name} claims {host.MemoryClaimed} bytes for VMs of {here.Sum(v => v.Memory)}"]);
            Say(here.Sum(v => v.Cpus) == host.CpusClaimed ? [] : [$"{host.Name} claims {host.CpusClaimed} CPUs for VMs of {here.Sum(v => v.Cpus)}"]);
        }
    }

    private async Task AssertRestAgreesAsync(List<Vm> vms)
    {
        using var rest = new RestClient(portal.Address, "auditor@internal");
        var told = await rest.VmsAsync();
        Assert.Equal(vms.Select(v => (v.Id, v.Name, v.HostId)).Order(), told.Select(v => (v.Id, v.Name, v.HostId)).Order());
        Say((await rest.HostsAsync())
            .Where(h => h.Memory - h.MemoryFree != told.Where(v => v.HostId == h.Id).Sum(v => v.Memory))
            .Select(h => $"REST shows {h.MemoryFree} of {h.Memory} bytes free on {h.Name}, which its VMs contradict"));
    }

    private void Say(IEnumerable<string> faults)
    {
        var all = faults.ToList();
        Assert.True(all.Count == 0, $"After {when}:\n{string.Join('\n', all)}\n\nThe portal said:\n{portal.Said}");
    }
}
