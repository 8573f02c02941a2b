using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Boot;
using Portal.Core.Storage;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation;

/// <summary>A VM of the demo.</summary>
/// <param name="Name">Unique name.</param>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Template">The template it starts from.</param>
/// <param name="TrustLevel">What it asks of its host.</param>
/// <param name="Host">The host it is seeded on; null when placement is to choose.</param>
/// <param name="Running">Whether it runs.</param>
public sealed record DemoVirtualMachine(string Name, string Cluster, string Template, TrustLevel TrustLevel, string? Host, bool Running);

/// <summary>Gives the portal's database the inventory of the simulated fleet: clusters, hosts, templates and a few VMs. Approves nothing, enrols nobody, and starts nothing that requires trust.</summary>
/// <param name="contexts">The portal's database.</param>
/// <param name="fleet">The simulated hosts.</param>
/// <param name="state">The simulated world.</param>
/// <param name="audit">The audit.</param>
/// <param name="time">Our clock.</param>
public sealed class DemoSeed(IDbContextFactory<PortalDbContext> contexts, SimulatedFleet fleet, SimulationState state, AuditLog audit, TimeProvider time)
{
    private const string VirtualMachinesStamp = "demo.virtual-machines";

    /// <summary>Short enough that a silent host becomes stale and then unknown while somebody watches.</summary>
    public static TrustPolicy Policy { get; } = TrustPolicy.Default with { Lifetime = TimeSpan.FromMinutes(5), ForgetAfter = TimeSpan.FromMinutes(15) };

    /// <summary>Names of the hosts to enrol: all but the one the demo leaves out.</summary>
    public IReadOnlyList<string> HostsToEnrol =>
        [.. fleet.Hosts.Select(h => h.Name).Where(name => fleet.PartOf(name) != DemoPart.NeverEnrolled)];

    /// <summary>VMs that require trust: to be created through the ordinary command once hosts are trusted, before the story begins.</summary>
    public IReadOnlyList<DemoVirtualMachine> VirtualMachinesThatRequireTrust =>
    [
        new("billing-db-01", fleet.Clusters[0], "PostgreSQL 17 server", TrustLevel.Trusted, null, Running: true),
        new("vault-01", fleet.Clusters[0], "RHEL 9.6 server", TrustLevel.Trusted, null, Running: true),
        new("payroll-db-01", fleet.Clusters[^1], "PostgreSQL 17 server", TrustLevel.Trusted, null, Running: true),
    ];

    /// <summary>Adds what is missing. Clusters, hosts and templates are matched by name; VMs are given once and not again when somebody deletes them.</summary>
    public async Task EnsureAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await ClustersAsync(db, ct);
        var hosts = await HostsAsync(db, clusters, ct);
        var templates = await TemplatesAsync(db, ct);
        if (!await db.Stamps.AnyAsync(s => s.Name == VirtualMachinesStamp, ct))
        {
            await VirtualMachinesAsync(db, clusters, hosts, templates, ct);
            db.Stamps.Add(new DatabaseStamp { Name = VirtualMachinesStamp, Value = time.GetUtcNow().ToString("O", System.Globalization.CultureInfo.InvariantCulture) });
        }

        if (db.ChangeTracker.HasChanges())
        {
            audit.Add(db, Person.Portal, "simulation.seeded", new AuditTarget("portal", null, "simulation"), $"The simulated fleet of {fleet.Hosts.Count} hosts was added to the inventory.");
            await db.SaveChangesAsync(ct);
        }
    }

    private async Task<Dictionary<string, Cluster>> ClustersAsync(PortalDbContext db, CancellationToken ct)
    {
        var clusters = await db.Clusters.ToDictionaryAsync(c => c.Name, StringComparer.Ordinal, ct);
        foreach (var name in fleet.Clusters.Where(name => !clusters.ContainsKey(name)))
        {
            var cluster = Cluster.Create(name, Policy);
            cluster.Description = "Simulated hosts";
            clusters[name] = cluster;
            db.Clusters.Add(cluster);
        }

        return clusters;
    }

    private async Task<Dictionary<string, Host>> HostsAsync(PortalDbContext db, Dictionary<string, Cluster> clusters, CancellationToken ct)
    {
        var known = await db.Hosts.AsNoTracking().Select(h => h.Name).ToHashSetAsync(ct);
        var added = fleet.Hosts.Where(h => !known.Contains(h.Name)).Select(h => new Host
        {
            Id = h.Id,
            Name = h.Name,
            Address = h.Address,
            ClusterId = clusters[h.Cluster].Id,
            Cpus = h.Cpus,
            Memory = h.Memory,
            Hardware = h.Hardware,
        }).ToDictionary(h => h.Name, StringComparer.Ordinal);
        db.Hosts.AddRange(added.Values);
        return added;
    }

    private static async Task<Dictionary<string, Template>> TemplatesAsync(PortalDbContext db, CancellationToken ct)
    {
        var templates = await db.Templates.ToDictionaryAsync(t => t.Name, StringComparer.Ordinal, ct);
        Template[] wanted =
        [
            new() { Id = Template.Blank, Name = "Blank", Description = "Nothing but defaults" },
            new() { Id = Seeded.Guid("template rhel"), Name = "RHEL 9.6 server", Description = "Minimal installation", Cpus = 2, Memory = 4L << 30, Disk = 40L << 30 },
            new() { Id = Seeded.Guid("template postgresql"), Name = "PostgreSQL 17 server", Description = "Database on RHEL 9.6", Cpus = 4, Memory = 16L << 30, Disk = 200L << 30 },
            new() { Id = Seeded.Guid("template web"), Name = "Web front end", Description = "nginx on RHEL 9.6", Cpus = 2, Memory = 2L << 30, Disk = 20L << 30 },
        ];
        foreach (var template in wanted.Where(t => !templates.ContainsKey(t.Name)))
        {
            templates[template.Name] = template;
            db.Templates.Add(template);
        }

        return templates;
    }

    private async Task VirtualMachinesAsync(PortalDbContext db, Dictionary<string, Cluster> clusters, Dictionary<string, Host> hosts, Dictionary<string, Template> templates, CancellationToken ct)
    {
        var taken = await db.VirtualMachines.AsNoTracking().Select(v => v.Name).ToHashSetAsync(ct);
        foreach (var vm in SeededVirtualMachines().Where(v => !taken.Contains(v.Name)))
        {
            // A host that was in the inventory before has an owner; the seed puts nothing there.
            if (!hosts.TryGetValue(vm.Host!, out var host))
            {
                continue;
            }

            var template = templates[vm.Template];
            var definition = new DomainDefinition(Seeded.Guid($"vm {vm.Name}"), vm.Name, template.Cpus, template.Memory, template.Disk, "default", vm.TrustLevel, null);

            // First the world, then the database: a start that is cut short between them finds the same VM again.
            state.Change<bool>(() => (true, [new FileChange.DomainSaved(host.Name, new Domain(definition, vm.Running ? DomainState.Running : DomainState.ShutOff))]));
            host.CpusClaimed += template.Cpus;
            host.MemoryClaimed += template.Memory;
            db.VirtualMachines.Add(new VirtualMachine
            {
                Id = definition.Id,
                Name = vm.Name,
                ClusterId = clusters[vm.Cluster].Id,
                TemplateId = template.Id,
                Cpus = template.Cpus,
                Memory = template.Memory,
                Disk = template.Disk,
                TrustLevel = vm.TrustLevel,
                Status = vm.Running ? VirtualMachineStatus.Up : VirtualMachineStatus.Down,
                HostId = host.Id,
                CreatedBy = Person.Portal.Name,
                CreatedAt = time.GetUtcNow(),
            });
        }
    }

    private IEnumerable<DemoVirtualMachine> SeededVirtualMachines()
    {
        var (first, last) = (fleet.Clusters[0], fleet.Clusters[^1]);
        return
        [
            On(first, 0, "web-01", "Web front end"),
            On(first, 1, "web-02", "Web front end"),
            On(first, 2, "build-01", "RHEL 9.6 server"),
            On(first, 4, "mail-01", "RHEL 9.6 server"),
            On(last, 0, "metrics-01", "PostgreSQL 17 server"),
            On(last, 1, "proxy-01", "Web front end"),
            On(last, 3, "staging-db-01", "PostgreSQL 17 server") with { Running = false },
        ];
    }

    private DemoVirtualMachine On(string cluster, int number, string name, string template)
    {
        var hosts = fleet.Hosts.Where(h => h.Cluster == cluster).ToArray();
        return new DemoVirtualMachine(name, cluster, template, TrustLevel.Any, hosts[number % hosts.Length].Name, Running: true);
    }
}
