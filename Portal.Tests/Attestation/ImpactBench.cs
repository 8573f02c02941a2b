using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>
/// Eight hosts in two clusters, of every standing there is: trusted, changed, dishonest, silent, never enrolled. Each change is previewed first,
/// and what then became of every host and VM is held against the preview.
/// </summary>
internal sealed class ImpactBench(TrustedPool pool) : IAsyncDisposable
{
    private static readonly Caller Second = Caller.With(new Person("test", "abe", "abe"), Role.Administrator);

    public TrustedPool Pool => pool;

    public static async Task<ImpactBench> StartAsync()
    {
        var pool = await TrustedPool.StartAsync(hosts: 8, clusters: 2, enrol: false);
        var bench = new ImpactBench(pool);
        foreach (var name in new[] { "kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04", "kvm-b01", "kvm-b03", "kvm-b04" })
        {
            TrustedPool.Expect(await pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, (await pool.HostAsync(name)).Id, pool.Ct));
        }

        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateKernelAsync(TrustedPool.Administrator, await bench.IdAsync("kvm-a02"), reboot: true, pool.Ct));
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, await bench.IdAsync("kvm-b04"), reboot: true, pool.Ct));
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, await bench.IdAsync("kvm-a04"), pool.Ct));
        await bench.MisbehaveAsync("kvm-a03", Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(11));
        await bench.AttestAllAsync();
        Assert.Equal(
            "kvm-a01 Trusted, kvm-a02 Untrusted, kvm-a03 Untrusted, kvm-a04 Stale, kvm-b01 Trusted, kvm-b02 Unknown, kvm-b03 Trusted, kvm-b04 Untrusted",
            string.Join(", ", (await bench.LookAsync()).Values.OrderBy(s => s.Host, StringComparer.Ordinal).Select(s => $"{s.Host} {s.Status}")));
        return bench;
    }

    public async Task<Guid> IdAsync(string host) => (await pool.HostAsync(host)).Id;

    public async Task MisbehaveAsync(string host, Fault? fault) =>
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().MisbehaveAsync(TrustedPool.Administrator, await IdAsync(host), fault, pool.Ct));

    public async Task AttestAllAsync()
    {
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await using var db = pool.Database();
        foreach (var host in await db.Attesters.Select(a => a.HostId).ToListAsync(pool.Ct))
        {
            await pool.Get<AttestationDesk>().AttestAsync(host, AttestationPurpose.AttestNow, null, pool.Ct);
        }
    }

    public Task<BaselineRevision> InForceAsync(string baseline) => QueryAsync(db => db.BaselineRevisions
        .Where(r => r.State == RevisionState.Approved && db.Baselines.Any(b => b.Id == r.BaselineId && b.Name == baseline))
        .SingleAsync(pool.Ct));

    public async Task<T> QueryAsync<T>(Func<Core.Storage.PortalDbContext, Task<T>> query)
    {
        await using var db = pool.Database();
        return await query(db);
    }

    /// <summary>Previews the approval of what is submitted, approves, compares. Returns what was predicted, by host name.</summary>
    public async Task<IReadOnlyDictionary<string, HostImpact>> ApproveAsync(RevisionStanding draft, bool retirePrevious = false)
    {
        var submitted = TrustedPool.Expect(await pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(draft.RevisionId), pool.Ct));
        return await ProveAsync(
            () => pool.Get<ImpactPreview>().IfApprovedAsync(TrustedPool.Approver, draft.RevisionId, retirePrevious, pool.Ct),
            async () => TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(draft.RevisionId, submitted.ContentHash, "", retirePrevious), pool.Ct)));
    }

    public Task<IReadOnlyDictionary<string, HostImpact>> RetireAsync(Guid revision) => ProveAsync(
        () => pool.Get<ImpactPreview>().IfRetiredAsync(TrustedPool.Approver, revision, pool.Ct),
        async () => TrustedPool.Expect(await pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(revision), pool.Ct)));

    /// <summary>Previews a policy, puts it in force (a looser one by two people), compares.</summary>
    public Task<IReadOnlyDictionary<string, HostImpact>> ChangePolicyAsync(Guid cluster, TrustPolicy wanted) => ProveAsync(
        () => pool.Get<ImpactPreview>().IfPolicyAsync(TrustedPool.Auditor, cluster, wanted, pool.Ct),
        () => PutInForceAsync(cluster, wanted));

    public async Task PutInForceAsync(Guid cluster, TrustPolicy wanted)
    {
        var revision = await QueryAsync(db => db.Clusters.Where(c => c.Id == cluster).Select(c => c.PolicyRevision).SingleAsync(pool.Ct));
        var standing = TrustedPool.Expect(await pool.Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Administrator, new(cluster, wanted, revision), pool.Ct));
        if (standing.ProposalId is { } proposal)
        {
            TrustedPool.Expect(await pool.Get<ConfirmTrustPolicy>().ExecuteAsync(Second, cluster, proposal, pool.Ct));
        }
    }

    private async Task<IReadOnlyDictionary<string, HostImpact>> ProveAsync(Func<Task<Outcome<Impact>>> preview, Func<Task> change)
    {
        var before = await LookAsync();
        var impact = TrustedPool.Expect(await preview());
        var predicted = await impact.ByHost.ToDictionaryAsync(h => h.HostId, cancellationToken: pool.Ct);
        Assert.Equal(predicted.Count, impact.Hosts);
        Assert.Equivalent(before, await LookAsync(), strict: true);

        await change();

        var after = await LookAsync();
        foreach (var (id, was) in before)
        {
            var now = after[id];
            if (!predicted.TryGetValue(id, out var said))
            {
                Assert.Equal(was, now);
                continue;
            }

            Assert.Equal((was.Host, was.Status, now.Status), (said.HostName, said.Before, said.After));
            Assert.Equal((was.Host, Effect(was, now)), (said.HostName, said.Effect));
            Assert.Equal(now.Marked.Except(was.Marked, StringComparer.Ordinal), said.Machines.Select(m => m.Name));
            if (said.Effect is ImpactEffect.LosesTrust)
            {
                Assert.Equal(now.Reason, said.Reason);
            }
        }

        return predicted.Values.ToDictionary(h => h.HostName, StringComparer.Ordinal);
    }

    /// <summary>What the words of the preview mean, told by what really became of a host.</summary>
    private static ImpactEffect Effect(Standing was, Standing now) => (was, now) switch
    {
        ({ Verdict: Verdict.Trusted }, { Verdict: Verdict.Untrusted }) => ImpactEffect.LosesTrust,
        ({ Status: not TrustStatus.Trusted }, { Status: TrustStatus.Trusted }) => ImpactEffect.GainsTrust,
        (_, { Verdict: Verdict.Trusted, Status: not TrustStatus.Trusted }) or (_, { Verdict: Verdict.None }) => ImpactEffect.CannotTell,
        _ => ImpactEffect.Unchanged,
    };

    private async Task<IReadOnlyDictionary<Guid, Standing>> LookAsync()
    {
        await using var db = pool.Database();
        var now = pool.Time.GetUtcNow();
        var rows = await db.Attestations.AsNoTracking().ToDictionaryAsync(a => a.HostId, pool.Ct);
        var marked = (await db.VirtualMachines.AsNoTracking().Where(v => v.UntrustedSince != null && v.UntrustedUntil == null).OrderBy(v => v.Name).ToListAsync(pool.Ct))
            .ToLookup(v => v.HostId, v => v.Name);
        return (await db.Hosts.AsNoTracking().ToListAsync(pool.Ct)).ToDictionary(h => h.Id, h => rows.TryGetValue(h.Id, out var row)
            ? new Standing(h.Name, row.Verdict, row.StatusAt(now), row.Reason, string.Join(',', marked[h.Id]))
            : new Standing(h.Name, Verdict.None, TrustStatus.Unknown, "", ""));
    }

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    private sealed record Standing(string Host, Verdict Verdict, TrustStatus Status, string Reason, string MarkedNames)
    {
        public string[] Marked => MarkedNames.Split(',', StringSplitOptions.RemoveEmptyEntries);
    }
}
