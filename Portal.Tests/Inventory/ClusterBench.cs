using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Inventory;

/// <summary>Clusters and their policies.</summary>
internal sealed class ClusterBench : DatabaseBench
{
    private ClusterBench()
        : base(rooms => rooms.AddInventory().AddBaselines().AddAttestation()) => Get<IChangeFeed>().Subscribe(Heard.Add);

    public static Caller Admin { get; } = Caller.With(new Person("idp", "dan", "Dan"), Role.Administrator);

    public static Caller Security { get; } = Caller.With(new Person("idp", "ann", "Ann"), Role.Security);

    public static Caller Operator { get; } = Caller.With(new Person("idp", "oli", "Oli"), Role.Operator);

    /// <summary>Another person who has Dan's subject and name at another provider.</summary>
    public static Caller OtherDan { get; } = Caller.With(new Person("other-idp", "dan", "Dan"), Role.Administrator);

    public List<Change> Heard { get; } = [];

    public static async Task<ClusterBench> StartAsync()
    {
        var bench = new ClusterBench();
        await bench.QueryAsync(db => db.Database.EnsureCreatedAsync());
        return bench;
    }

    public async Task<Cluster> ClusterAsync(string name = "prod-a", TrustPolicy? policy = null)
    {
        var cluster = Cluster.Create(name, policy ?? TrustPolicy.Default);
        await AddAsync(cluster);
        return cluster;
    }

    public async Task<Host> HostAsync(Cluster cluster, string name = "kvm-a01")
    {
        var host = new Host { Name = name, Address = "test:" + name, ClusterId = cluster.Id, Cpus = 8, Memory = 1L << 36 };
        await AddAsync(host);
        return host;
    }

    public Task<Cluster> ReadAsync(Cluster cluster) => QueryAsync(db => db.Clusters.AsNoTracking().SingleAsync(c => c.Id == cluster.Id));

    public Task<PolicyProposal?> ProposalAsync(Cluster cluster) => QueryAsync(db => db.PolicyProposals.AsNoTracking().SingleOrDefaultAsync(p => p.ClusterId == cluster.Id));

    public async Task<Outcome<PolicyStanding>> ChangeAsync(Caller by, Cluster cluster, TrustPolicy wanted, long? against = null) =>
        await Get<ChangeTrustPolicy>().ExecuteAsync(by, new(cluster.Id, wanted, against ?? (await ReadAsync(cluster)).PolicyRevision), default);

    public Task<Outcome<PolicyStanding>> ConfirmAsync(Caller by, Cluster cluster, Guid proposal) => Get<ConfirmTrustPolicy>().ExecuteAsync(by, cluster.Id, proposal, default);

    public Task<Outcome<PolicyStanding>> RejectAsync(Caller by, Cluster cluster, Guid proposal) => Get<RejectTrustPolicy>().ExecuteAsync(by, cluster.Id, proposal, default);
}
