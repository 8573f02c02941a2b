using System.Net;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Storage;
using Portal.Core.Tpm;
using Quartz;

namespace Portal.E2E.Peers.Agents;

/// <summary>The core as a portal composes it, for real agents on this machine, without anything simulated.</summary>
internal sealed class AgentPool : IAsyncDisposable
{
    public static readonly Caller Administrator = Caller.With(new Person("e2e", "ada", "ada"), Role.Administrator);
    public static readonly Caller Author = Caller.With(new Person("e2e", "sam", "sam"), Role.Security);
    public static readonly Caller Approver = Caller.With(new Person("e2e", "eve", "eve"), Role.Security);

    private readonly string folder = Directory.CreateTempSubdirectory("portal-agents-").FullName;
    private readonly ServiceProvider services;

    private AgentPool(IReadOnlyList<IPNetwork> networks, RegistrarFace? face = null, PreparationLimits? limits = null)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton<TimeProvider>(Clock);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddDataProtection();
        collection.AddPortalStorage($"Data Source={Path.Combine(folder, "portal.db")};Pooling=False");
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddSingleton(limits ?? new PreparationLimits());
        collection.AddOperations();
        collection.AddAgentRegistration(networks, face);
        collection.AddPlacement();
        collection.AddSingleton<IHostFilter, TrustFilter>();
        collection.AddQuartz();
        services = collection.BuildServiceProvider();
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public Guid Cluster { get; private set; }

    /// <summary>The machine's clock, which a test may set forward.</summary>
    public ForwardClock Clock { get; } = new();

    public static Task<AgentPool> StartAsync(params string[] networks) => StartAsync(new AgentPool([.. networks.Select(n => IPNetwork.Parse(n))]));

    /// <summary>One that prepares hosts on this machine, within limits of its own.</summary>
    public static Task<AgentPool> StartAsync(RegistrarFace face, PreparationLimits limits) => StartAsync(new AgentPool([IPNetwork.Parse("127.0.0.0/8")], face, limits));

    private static async Task<AgentPool> StartAsync(AgentPool pool)
    {
        await using var db = pool.Database();
        await db.Database.EnsureCreatedAsync(Ct);
        await pool.Get<ReportWriter>().StartAsync(Ct);
        var cluster = Portal.Core.Inventory.Cluster.Create("rack-1", TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware });
        db.Clusters.Add(cluster);
        await db.SaveChangesAsync(Ct);
        pool.Cluster = cluster.Id;
        await pool.Get<TrustFacts>().LoadAsync(Ct);
        return pool;
    }

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public PortalDbContext Database() => Get<IDbContextFactory<PortalDbContext>>().CreateDbContext();

    public static T Expect<T>(Outcome<T> outcome)
    {
        Assert.True(outcome.Succeeded, outcome.Refusal?.ToString());
        return outcome.Value;
    }

    /// <summary>Approves PCR values by two people.</summary>
    public Task ApproveAsync(string name, params (int Pcr, string Digest)[] pcrs) =>
        ApproveAsync(name, BaselineKinds.Firmware, new BaselineContent((ushort)TpmAlgorithm.Sha256, [.. pcrs.Select(p => new PcrReference(p.Pcr, [p.Digest], []))], [], ""));

    /// <summary>Approves what a baseline shall say by two people.</summary>
    public async Task ApproveAsync(string name, BaselineKinds kind, BaselineContent content) =>
        await ApproveAsync(Expect(await Get<CreateBaseline>().ExecuteAsync(Author, new(name, kind, "", content), Ct)));

    /// <summary>Submits a draft by its author and approves it by somebody else.</summary>
    public async Task ApproveAsync(RevisionStanding created)
    {
        var submitted = Expect(await Get<SubmitRevision>().ExecuteAsync(Author, new(created.RevisionId), Ct));
        Expect(await Get<ApproveRevision>().ExecuteAsync(Approver, new(submitted.RevisionId, submitted.ContentHash), Ct));
    }

    /// <summary>Writes down a host whose agent is registered and enrolled: how it came to that is not what is tested.</summary>
    public async Task<Guid> EnrolAsync(string name, byte[] attestationKey, byte[] certificate, int port)
    {
        await using var db = Database();
        var now = Clock.GetUtcNow();
        var host = new Host { Name = name, Address = $"agent:{name}", ClusterId = Cluster, Cpus = 8, Memory = 1L << 36 };
        db.Hosts.Add(host);
        db.Attesters.Add(new Attester { HostId = host.Id, AttestationKey = attestationKey, KeyName = name, KeyDescription = "", EnrolledAt = now, EnrolledBy = "ada" });
        db.RegisteredAttesters.Add(new RegisteredAttester
        {
            AgentId = name,
            EndorsementKey = [],
            EndorsementHash = name,
            AttestationKey = attestationKey,
            KeyName = name,
            ServerCertificate = certificate,
            Address = "127.0.0.1",
            Port = port,
            SeenFrom = "127.0.0.1",
            FirstSeenAt = now,
            LastSeenAt = now,
            Status = RegistrationStatus.Enrolled,
            HostId = host.Id,
        });
        await db.SaveChangesAsync(Ct);
        Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Attester));
        Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host));
        return host.Id;
    }

    /// <summary>Asks the host now.
    public async Task<HostAttestation> AttestAsync(Guid host) => Expect(await Get<AttestHost>().ExecuteAsync(Administrator, host, Ct));

    public async ValueTask DisposeAsync()
    {
        await Get<ReportWriter>().StopAsync(CancellationToken.None);
        await services.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}

/// <summary>The system's clock, some time ahead of it. Its timers run at the system's pace.</summary>
internal sealed class ForwardClock : TimeProvider
{
    private long ahead;

    public void Forward(TimeSpan by) => Interlocked.Add(ref ahead, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref ahead));
}
