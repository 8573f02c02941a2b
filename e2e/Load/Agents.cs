using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Storage;
using Quartz;

namespace Portal.E2E.Load;

/// <summary>
/// The verifier against agents of another process over real TLS connections: rounds to the committed database. Beside them the figures of a keylime
/// verifier on two such cores: 65 attestations/s, 14 ms of processor time each, 0.9 MiB a host.
/// </summary>
internal static class Agents
{
    private const int Number = 1000;
    private const int Steady = 4;
    private const double FiveTimes = 5;

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        await using var services = Compose(folder.File("portal.db"));
        if (await DatabaseOpening.OpenAsync(services.GetRequiredService<IDbContextFactory<PortalDbContext>>(), "Demo", ct) is { } refusal)
        {
            throw new InvalidOperationException(refusal.ToString());
        }

        var writer = services.GetRequiredService<ReportWriter>();
        await writer.StartAsync(ct);
        var before = Machine.HeapMiB();
        using var agents = await AgentProcess.StartAsync(Number, services.GetRequiredService<AgentAuthority>().Published(), ct);
        var cluster = await EnrolAsync(services, agents.Served, ct);
        var desk = services.GetRequiredService<AttestationRounds>();
        var rounds = new List<(TimeSpan Wall, TimeSpan Cpu)>();
        for (var i = 0; i <= Steady; i++)
        {
            var (clock, cpu) = (Stopwatch.StartNew(), Machine.Cpu);
            await desk.RoundAsync(cluster, ct);
            rounds.Add((clock.Elapsed, Machine.Cpu - cpu));
            await AssertTrustedAsync(services, ct);
        }

        var heap = Machine.HeapMiB() - before;
        await writer.StopAsync(ct);
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        var best = rounds.Skip(1).MinBy(r => r.Wall);
        return
        [
            Figure.AtLeast($"{Number:N0} agents of another process over mutual TLS, to the committed database", Number / best.Wall.TotalSeconds, FiveTimes * 65, "attestations/s", Figure.Text($"; first round {Number / rounds[0].Wall.TotalSeconds:0}")),
            Figure.AtMost("… the verifier's processor time for each", rounds.Skip(1).Min(r => r.Cpu).TotalMilliseconds / Number, 14 / FiveTimes, "ms"),
            Figure.AtMost("… managed memory for each host, its open connection included", heap / Number, 0.9 / FiveTimes, "MiB"),
        ];
    }

    private static ServiceProvider Compose(string database)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton(TimeProvider.System);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddDataProtection();
        collection.AddPortalStorage($"Data Source={database}");
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddAgentRegistration([IPNetwork.Parse("127.0.0.0/8")]);
        collection.AddQuartz();
        return collection.BuildServiceProvider();
    }

    /// <summary>Rows of hosts, keys and registrations, written in bulk: how they came to be there is not what is measured.</summary>
    private static async Task<Guid> EnrolAsync(ServiceProvider services, ServedAgents served, CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        var simulation = new ServiceCollection();
        simulation.AddSimulation(new SimulationOptions { Hosts = Number, Clusters = 1 }, folder.File("simulation.db"));
        await using var world = simulation.BuildServiceProvider();
        await Fleet.ApproveAsync(services, world.GetRequiredService<SimulatedFleet>(), ct);

        await using var db = services.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext();
        var cluster = Cluster.Create("agents", TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(24), Interval = TimeSpan.FromHours(1) });
        db.Clusters.Add(cluster);
        var now = TimeProvider.System.GetUtcNow();
        foreach (var agent in served.Agents)
        {
            db.Hosts.Add(new Host { Id = agent.Id, Name = agent.Name, Address = $"agent:{agent.Name}", ClusterId = cluster.Id, Cpus = 8, Memory = 1L << 36 });
            db.Attesters.Add(new Attester { HostId = agent.Id, AttestationKey = agent.Key, KeyName = "", KeyDescription = "", EnrolledAt = now, EnrolledBy = "load" });
            db.RegisteredAttesters.Add(new RegisteredAttester
            {
                AgentId = agent.Name,
                EndorsementKey = [],
                EndorsementHash = agent.Name,
                AttestationKey = agent.Key,
                KeyName = agent.Name,
                ServerCertificate = served.Certificate,
                Address = "127.0.0.1",
                Port = agent.Port,
                SeenFrom = "127.0.0.1",
                FirstSeenAt = now,
                LastSeenAt = now,
                Status = RegistrationStatus.Enrolled,
                HostId = agent.Id,
            });
        }

        await db.SaveChangesAsync(ct);
        await services.GetRequiredService<TrustFacts>().LoadAsync(ct);
        services.GetRequiredService<IChangeFeed>().Publish(Change.Of(ChangeTopic.Attester));
        return cluster.Id;
    }

    private static async Task AssertTrustedAsync(ServiceProvider services, CancellationToken ct)
    {
        await using var db = services.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext();
        var trusted = await db.Attestations.CountAsync(a => a.Verdict == Verdict.Trusted && a.Outcome == CheckOutcome.Ok, ct);
        if (trusted != Number)
        {
            var why = await db.Attestations.Where(a => a.Verdict != Verdict.Trusted || a.Outcome != CheckOutcome.Ok).Select(a => a.Reason + " " + a.Findings).FirstAsync(ct);
            throw new InvalidOperationException($"{trusted} of {Number} hosts are trusted; one is not: {why}");
        }
    }
}
