using System.Diagnostics;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Quartz;

namespace Portal.E2E.Load;

/// <summary>The whole core on files of its own with thousands of simulated hosts, enrolled and with their baselines approved, but not yet attested.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    /// <summary>Clusters, largest first.</summary>
    public static readonly int[] Sizes = [10_000, 1_000, 100];

    private static readonly Caller Author = Caller.With(new Person("load", "author", "author"), Role.Security);
    private static readonly Caller Approver = Caller.With(new Person("load", "approver", "approver"), Role.Security);

    // The longest lifetime there is: no verdict runs out while we measure.
    private static readonly TrustPolicy Policy = TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(24), Interval = TimeSpan.FromHours(1) };
    private static Fleet? shared;
    private readonly TemporaryFolder folder = new();
    private readonly ServiceProvider services;

    private Fleet()
    {
        var collection = new ServiceCollection();
        collection.AddSingleton(TimeProvider.System);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddDataProtection();
        collection.AddPortalStorage($"Data Source={DatabaseFile}");
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddPlacement();
        collection.AddSingleton<IHostFilter, TrustFilter>();
        collection.AddVirtualization();
        collection.AddOperations();
        collection.AddQuartz();
        collection.AddSimulation(new SimulationOptions { Hosts = Sizes.Sum(), Clusters = 1 }, folder.File("portal.simulation.db"));
        services = collection.BuildServiceProvider();
    }

    /// <summary>Where its database is.</summary>
    public string DatabaseFile => folder.File("portal.db");

    /// <summary>The clusters, in the order of <see cref="Sizes"/>.</summary>
    public IReadOnlyList<Guid> Clusters { get; private set; } = [];

    /// <summary>All hosts, cluster by cluster.</summary>
    public IReadOnlyList<HostEndpoint> Hosts { get; private set; } = [];

    /// <summary>The fleet all parts of a run share: it takes a while to make.</summary>
    public static async Task<Fleet> SharedAsync(CancellationToken ct)
    {
        if (shared is null)
        {
            var clock = Stopwatch.StartNew();
            shared = new Fleet();
            await shared.FillAsync(ct);
            await Console.Error.WriteLineAsync($"       {Sizes.Sum():N0} hosts made in {clock.Elapsed.TotalSeconds:0} s");
        }

        return shared;
    }

    /// <summary>Ends the shared fleet, if there is one.</summary>
    public static ValueTask EndAsync() => shared?.DisposeAsync() ?? ValueTask.CompletedTask;

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public PortalDbContext Database() => Get<IDbContextFactory<PortalDbContext>>().CreateDbContext();

    /// <summary>Attests every host that was not attested yet.</summary>
    public async Task AttestAllAsync(CancellationToken ct)
    {
        await using var db = Database();
        foreach (var cluster in Clusters)
        {
            if (await db.Hosts.AnyAsync(h => h.ClusterId == cluster && !db.Attestations.Any(a => a.HostId == h.Id), ct))
            {
                await Get<AttestationRounds>().RoundAsync(cluster, ct);
            }
        }

        var trusted = await db.Attestations.CountAsync(a => a.Verdict == Verdict.Trusted, ct);
        if (trusted != Hosts.Count)
        {
            throw new InvalidOperationException($"{trusted} of {Hosts.Count} hosts are trusted.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Get<ReportWriter>().StopAsync(CancellationToken.None);
        await services.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        folder.Dispose();
    }

    /// <summary>Has the fleet's baselines written by one person and approved by another.</summary>
    public static async Task ApproveAsync(IServiceProvider services, SimulatedFleet fleet, CancellationToken ct)
    {
        foreach (var reference in fleet.References)
        {
            var draft = Expect(await services.GetRequiredService<CreateBaseline>().ExecuteAsync(Author, new(References.NameOf(reference), References.KindOf(reference), "", References.ContentOf(reference)), ct));
            var submitted = Expect(await services.GetRequiredService<SubmitRevision>().ExecuteAsync(Author, new(draft.RevisionId), ct));
            Expect(await services.GetRequiredService<ApproveRevision>().ExecuteAsync(Approver, new(submitted.RevisionId, submitted.ContentHash), ct));
        }
    }

    private async Task FillAsync(CancellationToken ct)
    {
        if (await DatabaseOpening.OpenAsync(Get<IDbContextFactory<PortalDbContext>>(), "Demo", ct) is { } refusal)
        {
            throw new InvalidOperationException(refusal.ToString());
        }

        await Get<ReportWriter>().StartAsync(ct);
        var fleet = Get<SimulatedFleet>();
        await ApproveAsync(services, fleet, ct);
        await EnrolAsync(fleet.Hosts, ct);
        await Get<TrustFacts>().LoadAsync(ct);
    }

    /// <summary>Rows of hosts and their keys, written in bulk: how they came to be there is not what is measured.</summary>
    private async Task EnrolAsync(IReadOnlyList<SimulatedHost> hosts, CancellationToken ct)
    {
        var channel = Get<SimulatedAttesterChannel>();
        await channel.WarmUpAsync(ct);
        await using var db = Database();
        db.ChangeTracker.AutoDetectChangesEnabled = false;
        var clusters = Array.ConvertAll(Sizes, size => Cluster.Create($"load-{size}", Policy));
        db.Clusters.AddRange(clusters);
        var place = clusters.SelectMany((cluster, i) => Enumerable.Repeat(cluster.Id, Sizes[i]));
        foreach (var (simulated, cluster) in hosts.Zip(place))
        {
            var host = new Host
            {
                Id = simulated.Id,
                Name = simulated.Name,
                Address = simulated.Address,
                ClusterId = cluster,
                Cpus = simulated.Cpus,
                Memory = simulated.Memory,
                Hardware = simulated.Hardware,
            };
            var identity = await channel.IdentifyAsync(host.Endpoint, ct) ?? throw new InvalidOperationException($"{host.Name} is silent.");
            db.Hosts.Add(host);
            db.Attesters.Add(new Attester
            {
                HostId = host.Id,
                AttestationKey = identity.AttestationKey,
                KeyName = "",
                KeyDescription = simulated.KeyIndex % 2 == 0 ? "RSA-2048" : "ECDSA P-256",
                EnrolledAt = TimeProvider.System.GetUtcNow(),
                EnrolledBy = "load",
            });
        }

        await db.SaveChangesAsync(ct);
        Clusters = [.. clusters.Select(c => c.Id)];
        Hosts = [.. hosts.Select(h => new HostEndpoint(h.Id, h.Name, h.Address, null))];
    }

    private static T Expect<T>(Outcome<T> outcome) => outcome.Succeeded ? outcome.Value : throw new InvalidOperationException(outcome.Refusal.ToString());
}
