using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Boot;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Orders of events that must not end in a wrong verdict.</summary>
public sealed class RaceTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Reappraisal_OfEvidenceThatIsNotTheLatestAnyMore_ChangesNothing()
    {
        await using var pool = await TrustedPool.StartAsync();
        var id = (await pool.AttestAsync(Host)).HostId;
        await using var db = pool.Database();
        var stored = await db.Evidence.AsNoTracking().SingleAsync(e => e.Id == id, pool.Ct);
        var log = await db.EventLogs.Where(l => l.Digest == stored.EventLogDigest).Select(l => l.Content).SingleAsync(pool.Ct);
        var late = pool.Get<IAttestationService>().Reappraise(new(stored, log), (await pool.Get<PolicyReader>().OfAsync(pool.Cluster, pool.Ct))!);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, id, reboot: true, pool.Ct));
        pool.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(Verdict.Untrusted, (await pool.AttestAsync(Host)).Verdict);

        await pool.Get<AttestationLedger>().ApplyAsync([late], ReappraisalCause.BaselineApproved, pool.Ct);

        Assert.Equal(Verdict.Untrusted, (await pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task Round_OneResultTheDatabaseRefuses_CostsOnlyItsOwnHost()
    {
        await using var pool = await TrustedPool.StartAsync();
        var bad = (await pool.HostAsync("kvm-a02")).Id;
        await using (var db = pool.Database())
        {
            // SQLite's DDL takes no parameters; the id is a Guid of ours.
            var trigger = $"CREATE TRIGGER Refuses BEFORE UPDATE ON Attestations WHEN lower(CAST(OLD.HostId AS TEXT)) = '{bad}' BEGIN SELECT RAISE(ABORT, 'refused'); END";
            await db.Database.ExecuteSqlRawAsync(trigger, pool.Ct);
        }

        pool.Time.Advance(TimeSpan.FromMinutes(1));
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);

        var now = pool.Time.GetUtcNow();
        await using var look = pool.Database();
        Assert.Equal(3, await look.Attestations.CountAsync(a => a.VerifiedAt == now, pool.Ct));
    }

    [Fact]
    public async Task Enrol_KeyThatIsAnotherHosts_IsRefused()
    {
        await using var pool = await Meddling.StartAsync(enrol: false);
        var (good, rogue) = (await pool.HostAsync("kvm-a01"), await pool.HostAsync("kvm-a02"));
        pool.Get<MeddlingChannel>().Relay = (rogue.Id, good.Endpoint);
        TrustedPool.Expect(await pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, good.Id, pool.Ct));

        var outcome = await pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, rogue.Id, pool.Ct);

        Assert.Equal("attester.key.taken", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Attest_HostMovedWhileItAnswers_IsAppraisedUnderItsNewCluster()
    {
        await using var pool = await Meddling.StartAsync(clusters: 2, approve: false);
        var host = await pool.HostAsync(Host);
        var from = host.ClusterId;
        Guid to;
        await using (var db = pool.Database())
        {
            to = await db.Clusters.Where(c => c.Id != from).Select(c => c.Id).FirstAsync(pool.Ct);
        }

        var references = pool.Get<SimulatedFleet>().References;
        foreach (var reference in references)
        {
            await pool.ApproveAsync(reference.Name, KindOf(reference), TrustedPool.ContentOf(reference) with { Clusters = [from] });
        }

        pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);
        var moved = false;
        pool.Get<MeddlingChannel>().BeforeArrival = async asked =>
        {
            if (asked.Id == host.Id && !moved)
            {
                moved = true;
                TrustedPool.Expect(await pool.Get<MoveHost>().ExecuteAsync(TrustedPool.Administrator, host.Id, to, pool.Ct));

                // The old cluster's revision is raised to the new one's number: the number alone must not be believed.
                await pool.ApproveAsync("one more", BaselineKinds.Hypervisor, TrustedPool.ContentOf(references.First(r => r.Kind == ReferenceKind.Hypervisor)) with { Clusters = [from] });
            }
        };
        pool.Time.Advance(TimeSpan.FromSeconds(1));

        var row = await pool.AttestAsync(Host);

        Assert.True(moved);
        Assert.Equal(Verdict.Untrusted, row.Verdict);
    }

    private static BaselineKinds KindOf(ReferenceImage reference) =>
        reference.Kind == ReferenceKind.Firmware ? BaselineKinds.Firmware : BaselineKinds.Hypervisor;
}
