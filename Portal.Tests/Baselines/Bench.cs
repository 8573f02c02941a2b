using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Baselines;

/// <summary>Baselines and audit.</summary>
internal sealed class Bench : DatabaseBench
{
    private Bench()
        : base(rooms => rooms.AddBaselines().AddSingleton<IAttestNow, NobodyAnswers>())
    {
    }

    public static Caller Ann { get; } = Caller.With(new Person("idp", "ann", "Ann"), Role.Security);

    public static Caller Bob { get; } = Caller.With(new Person("idp", "bob", "Bob"), Role.Security);

    public static Caller Cid { get; } = Caller.With(new Person("idp", "cid", "Cid"), Role.Security);

    /// <summary>Another person who has Ann's subject and name at another provider.</summary>
    public static Caller OtherAnn { get; } = Caller.With(new Person("other-idp", "ann", "Ann"), Role.Security);

    public static Caller Admin { get; } = Caller.With(new Person("idp", "dan", "Dan"), Role.Administrator);

    public static Caller Auditor { get; } = Caller.With(new Person("idp", "eve", "Eve"), Role.Auditor);

    public static Caller Nobody { get; } = Caller.With(new Person("idp", "noone", "No One"));

    public static async Task<Bench> StartAsync()
    {
        var bench = new Bench();
        await bench.QueryAsync(db => db.Database.EnsureCreatedAsync());
        return bench;
    }

    public async Task<Cluster> ClusterAsync(string name)
    {
        var cluster = Cluster.Create(name, TrustPolicy.Default);
        await AddAsync(cluster);
        return cluster;
    }

    public async Task<Host> HostAsync(Cluster cluster, string name)
    {
        var host = new Host { Name = name, Address = "test:" + name, ClusterId = cluster.Id, Cpus = 4, Memory = 1L << 34 };
        await AddAsync(host);
        return host;
    }

    public Task<long> PolicyRevisionAsync(Cluster cluster) =>
        QueryAsync(db => db.Clusters.Where(c => c.Id == cluster.Id).Select(c => c.PolicyRevision).SingleAsync());

    public Task<BaselineRevision> RevisionAsync(Guid id) => QueryAsync(db => db.BaselineRevisions.AsNoTracking().SingleAsync(r => r.Id == id));

    public Task<List<RevisionPerson>> PeopleAsync(Guid revisionId) =>
        QueryAsync(db => db.RevisionPersons.AsNoTracking().Where(p => p.RevisionId == revisionId).ToListAsync());

    public async Task<RevisionStanding> DraftAsync(Caller by, string name = "rhel9", BaselineContent? content = null, BaselineKinds kind = BaselineKinds.Hypervisor) =>
        (await Get<CreateBaseline>().ExecuteAsync(by, new(name, kind, "", content ?? Contents.Boot()), default)).Value;

    public async Task<RevisionStanding> InReviewAsync(Caller by, string name = "rhel9", BaselineContent? content = null)
    {
        var draft = await DraftAsync(by, name, content);
        return (await Get<SubmitRevision>().ExecuteAsync(by, new(draft.RevisionId), default)).Value;
    }

    public async Task<RevisionStanding> ApprovedAsync(Caller author, Caller approver, string name = "rhel9", BaselineContent? content = null)
    {
        var review = await InReviewAsync(author, name, content);
        return (await Get<ApproveRevision>().ExecuteAsync(approver, new(review.RevisionId, review.ContentHash), default)).Value;
    }
}

/// <summary>Contents to write baselines with.</summary>
internal static class Contents
{
    public const uint Application = 0x80000003;
    public const uint Separator = 0x00000004;

    /// <summary>A SHA-256 digest that differs by its number.</summary>
    public static string Digest(int number) => number.ToString("x64", System.Globalization.CultureInfo.InvariantCulture).Replace('0', 'a');

    public static BaselineContent Boot(params ReadOnlySpan<Guid> clusters) => Of([Whole(4, Digest(1))], clusters);

    public static BaselineContent Of(ImmutableArray<PcrReference> pcrs, params ReadOnlySpan<Guid> clusters) => new(PcrBanks.Sha256, pcrs, [.. clusters], "");

    public static PcrReference Whole(int pcr, params ReadOnlySpan<string> digests) => new(pcr, [.. digests], []);

    public static PcrReference Events(int pcr, params ReadOnlySpan<EventReference> events) => new(pcr, [], [.. events]);

    public static EventReference Event(int digest, string label = "", bool optional = false, uint type = Application) => new(type, [Digest(digest)], label, optional);
}

/// <summary>Hosts of a bench without attestation: nobody can be asked.</summary>
internal sealed class NobodyAnswers : IAttestNow
{
    public Task<HostAttestation?> AttestAsync(Guid hostId, AttestationPurpose purpose, Guid? operationId, CancellationToken ct) => Task.FromResult<HostAttestation?>(null);
}
