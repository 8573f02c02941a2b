using System.Collections.Concurrent;
using System.Collections.Immutable;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Boot;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation;

/// <summary>The simulated world: hosts and their VMs. Memory answers, the file is the truth at start, and a change is written before it takes effect.</summary>
public sealed class SimulationState : IDisposable
{
    private readonly Lock turn = new();
    private readonly ConcurrentDictionary<string, SimulatedHost> hosts = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ImmutableDictionary<Guid, Domain>> domains = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Guid> inventoryIds = new(StringComparer.Ordinal);

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">Where it is.</param>
    /// <exception cref="InvalidDataException">The file is of another layout.</exception>
    public SimulationState(string path)
    {
        File = new SimulationFile(path);
        var recipes = new Dictionary<BootRecipe, BootRecipe>();
        foreach (var host in File.Hosts())
        {
            hosts[host.Name] = host with { Original = Shared(host.Original), Booted = Shared(host.Booted), Installed = Shared(host.Installed) };
        }

        foreach (var (host, domain) in File.Domains())
        {
            domains[host] = DomainsOf(host).SetItem(domain.Definition.Id, domain);
        }

        // Thousands of hosts share a few recipes.
        BootRecipe Shared(BootRecipe recipe) => recipes.TryGetValue(recipe, out var first) ? first : recipes[recipe] = recipe;
    }

    /// <summary>How many hosts there are.</summary>
    public int HostCount => hosts.Count;

    /// <summary>All hosts, by name.</summary>
    public IReadOnlyList<SimulatedHost> Hosts => [.. hosts.Values.OrderBy(h => h.Name, StringComparer.Ordinal)];

    internal SimulationFile File { get; }

    internal DomainEvents Events { get; } = new();

    /// <summary>All domains of all hosts.</summary>
    internal IEnumerable<(string Host, Domain Domain)> Domains => domains.SelectMany(d => d.Value.Values.Select(domain => (d.Key, domain)));

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    /// <summary>Whether each host's hypervisor answers now.</summary>
    internal IEnumerable<ConnectionEvent> Connections() => Hosts.Select(ConnectionOf);

    /// <summary>A host by name; null when there is none.</summary>
    public SimulatedHost? Find(string name) => hosts.GetValueOrDefault(name);

    /// <summary>The host behind an address; null when it is not a simulated one.</summary>
    public SimulatedHost? Find(HostEndpoint endpoint) => SimulatedHost.NameIn(endpoint) is { } name ? Find(name) : null;

    /// <summary>The VMs of a host, by id.</summary>
    public ImmutableDictionary<Guid, Domain> DomainsOf(string host) => domains.GetValueOrDefault(host, ImmutableDictionary<Guid, Domain>.Empty);

    /// <summary>Remembers under which id the inventory knows a host, so that events carry it.</summary>
    internal void Learn(HostEndpoint endpoint)
    {
        if (Find(endpoint) is not { } host)
        {
            return;
        }

        if (host.Id == endpoint.Id)
        {
            inventoryIds.TryRemove(host.Name, out _);
        }
        else
        {
            inventoryIds[host.Name] = endpoint.Id;
        }
    }

    /// <summary>Decides what to change while nothing else changes, writes it in one transaction, and then lets it take effect.</summary>
    /// <exception cref="Microsoft.Data.Sqlite.SqliteException">The file could not be written; nothing changed.</exception>
    internal T Change<T>(Func<(T Answer, IReadOnlyCollection<FileChange> Changes)> decide)
    {
        using var mine = turn.EnterScope();
        var (answer, changes) = decide();
        if (changes.Count > 0)
        {
            File.Commit(changes);
            foreach (var change in changes)
            {
                TakeEffect(change);
            }
        }

        return answer;
    }

    private void TakeEffect(FileChange change)
    {
        switch (change)
        {
            case FileChange.HostSaved(var host):
                var answered = hosts.GetValueOrDefault(host.Name)?.HypervisorUnreachable == false;
                hosts[host.Name] = host;
                if (answered == host.HypervisorUnreachable)
                {
                    Events.Publish(ConnectionOf(host));
                }

                break;
            case FileChange.DomainSaved(var name, var domain):
                domains[name] = DomainsOf(name).SetItem(domain.Definition.Id, domain);
                Tell(name, domain.Definition.Id, domain.State);
                break;
            case FileChange.DomainRemoved(var name, var id):
                domains[name] = DomainsOf(name).Remove(id);
                Tell(name, id, null);
                break;
            default:
                break;
        }
    }

    private ConnectionEvent ConnectionOf(SimulatedHost host) => new(
        inventoryIds.GetValueOrDefault(host.Name, host.Id),
        !host.HypervisorUnreachable,
        host.HypervisorUnreachable ? "It was made to stop answering." : "A simulated hypervisor.");

    private void Tell(string name, Guid id, DomainState? state)
    {
        // A hypervisor that does not answer tells of nothing either.
        if (hosts.TryGetValue(name, out var host) && !host.HypervisorUnreachable)
        {
            Events.Publish(new DomainEvent(inventoryIds.GetValueOrDefault(name, host.Id), id, state));
        }
    }
}
