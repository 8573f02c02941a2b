using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Files that hosts use while they run: asked for, found in PCR 10, kept, compared, required.</summary>
public sealed class RuntimeTests
{
    private const string Host = "kvm-a01";
    private const string Other = "kvm-a02";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Capture_HostNeverAskedForItsList_AsksAndTakesEveryFile()
    {
        await using var pool = await Meddling.StartAsync();
        var content = await pool.CaptureFilesAsync(Host);

        Assert.Empty(content.Pcrs);
        Assert.Equal(40, content.Runtime!.Files.Length);
        Assert.Contains(content.Runtime.Files, f => f.Path == "/usr/libexec/qemu-kvm" && f.Digests.Single().StartsWith("sha256:", StringComparison.Ordinal));
        Assert.DoesNotContain(content.Runtime.Files, f => f.Path == "boot_aggregate");
        Assert.Contains("41 entries", content.Notes, StringComparison.Ordinal);
        Assert.Single(Asked(pool, Host), r => r.MeasurementsFrom is not null);
    }

    [Fact]
    public async Task Approve_RuntimeBaseline_HostsAreAskedForListsBeforeTheKindIsRequired()
    {
        await using var pool = await ApprovedAsync();

        await pool.AttestAsync(Other);

        var (verdict, evidence) = await LookAsync(pool, Other);
        Assert.Equal((Verdict.Trusted, 41), (verdict, evidence.Measurements));
        Assert.Equal(0, Asked(pool, Other)[^1].MeasurementsFrom);
        Assert.Contains(ImaList.Pcr, Asked(pool, Other)[^1].Pcrs);
    }

    [Fact]
    public async Task Require_AllHostsUsedIsApproved_StaysTrustedAndNamesTheBaseline()
    {
        await using var pool = await RequiredAsync();

        var row = await pool.AttestAsync(Host);

        Assert.Equal(Verdict.Trusted, row.Verdict);
        Assert.Contains("runtime rev. 1", row.Matched, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attest_UnapprovedProgramRan_UntrustedWithPathDigestAndWhoElseHasIt()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Host);
        await RunProgramAsync(pool, Other);

        await pool.AttestAsync(Other);
        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Untrusted, "file not approved: /usr/local/bin/tool-1"), (row.Verdict, row.Reason));
        var view = (await pool.Get<AttestationDirectory>().FindAsync(row.HostId, Ct))!;
        var finding = Assert.Single(view.Findings);
        Assert.Equal((FindingCode.FileNotApproved, ImaList.Pcr, 41), (finding.Code, finding.Pcr, finding.Entry));
        Assert.Contains("as the host says at /usr/local/bin/tool-1", finding.Sentence, StringComparison.Ordinal);
        Assert.Equal(64, finding.Measured!.Length);
        Assert.Equal([Other], view.SameMeasurement);
    }

    [Fact]
    public async Task Attest_SeveralUnapprovedPrograms_FirstLeadsAndCountsTheRest()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Host);
        await pool.AttestAsync(Host);
        await RunProgramAsync(pool, Host);
        await RunProgramAsync(pool, Host);

        await pool.AttestAsync(Host);

        var view = (await pool.Get<AttestationDirectory>().FindAsync((await pool.HostAsync(Host)).Id, Ct))!;
        Assert.Equal(["/usr/local/bin/tool-1", "/usr/local/bin/tool-2", "/usr/local/bin/tool-3"], view.Findings.Select(f => f.Component));
        Assert.Equal([false, true, true], view.Findings.Select(f => f.Follows));
        Assert.Contains("2 more entries of its list are not approved", view.Findings[0].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attest_SameBoot_OnlyNewEntriesAreAskedForAndKept()
    {
        await using var pool = await RequiredAsync();
        await pool.AttestAsync(Host);
        await RunProgramAsync(pool, Host);
        await pool.AttestAsync(Host);
        await pool.AttestAsync(Host);

        Assert.Equal([41, 41, 42], Asked(pool, Host).TakeLast(3).Select(r => r.MeasurementsFrom));
        Assert.Equal([0, 41], await SegmentsAsync(pool, Host));
    }

    [Fact]
    public async Task Attest_ListGrewSinceTheHostWasRead_IsKeptAndAppraisedAgainAsBefore()
    {
        await using var pool = await RequiredAsync();
        await pool.AttestAsync(Host);
        var desk = pool.Get<AttestationDesk>();
        var readBefore = Assert.Single(await desk.SubjectsAsync(null, [(await pool.HostAsync(Host)).Id], Ct));
        await RunProgramAsync(pool, Host);
        await pool.AttestAsync(Host);
        await RunProgramAsync(pool, Host);

        await desk.AttestAsync(readBefore, (await pool.Get<PolicyReader>().OfAsync(pool.Cluster, Ct))!, AttestationPurpose.Gate, null, Ct);

        Assert.Equal(43, (await LookAsync(pool, Host)).Evidence.Measurements);
        Assert.Equal([0, 41, 42], await SegmentsAsync(pool, Host));
        var content = await ContentAsync(pool);
        var wider = await SubmittedAsync(pool, content with { Runtime = content.Runtime! with { Excludes = ["/usr/local/bin/.*"] } });
        TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(wider.RevisionId, wider.ContentHash), Ct));
        Assert.Equal((Verdict.Trusted, ""), ((await pool.RowAsync(Host)).Verdict, (await pool.RowAsync(Host)).Reason));
    }

    [Fact]
    public async Task Attest_AfterReboot_ListBeginsAnewAndTheHostIsTrustedAgain()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Host);
        await pool.AttestAsync(Host);
        await RebootAsync(pool, Host);

        var row = await pool.AttestAsync(Host);

        Assert.Equal(Verdict.Trusted, row.Verdict);
        Assert.Equal(42, Asked(pool, Host)[^1].MeasurementsFrom);
        Assert.Equal([0], await SegmentsAsync(pool, Host));
        Assert.Equal(41, (await LookAsync(pool, Host)).Evidence.Measurements);
    }

    [Fact]
    public async Task Attest_RebootedHostSendsOnlyWhatWasAskedFor_IsAskedFromItsFirstEntryAtOnce()
    {
        await using var pool = await RequiredAsync();
        await pool.AttestAsync(Host);
        await RebootAsync(pool, Host);

        var row = await pool.AttestAsync(Host);

        Assert.Equal(Verdict.Trusted, row.Verdict);
        Assert.Equal([41, 0], Asked(pool, Host).TakeLast(2).Select(r => r.MeasurementsFrom));
        Assert.Equal(2, Asked(pool, Host).TakeLast(2).Select(r => r.Nonce).Distinct().Count());
    }

    [Fact]
    public async Task Approve_RevisionWithoutAFile_StoredListsAreComparedAtOnceAndNotAskedForAgain()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Other);
        await pool.AttestAsync(Host);
        await pool.AttestAsync(Other);
        var asked = Asked(pool, Host).Count;
        var content = await ContentAsync(pool);
        var stricter = content with { Runtime = content.Runtime! with { Files = content.Runtime.Files.RemoveAll(f => f.Path == "/usr/bin/swtpm") } };
        var revision = await SubmittedAsync(pool, stricter);

        var impact = TrustedPool.Expect(await pool.Get<ImpactPreview>().IfApprovedAsync(TrustedPool.Approver, revision.RevisionId, retirePrevious: true, Ct));
        var foreseen = await impact.ByHost.Where(i => i.Effect == ImpactEffect.LosesTrust).Select(i => i.HostName).ToListAsync(Ct);
        TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(revision.RevisionId, revision.ContentHash, "", RetirePrevious: true), Ct));

        Assert.Contains(Host, foreseen);
        var row = await pool.RowAsync(Host);
        Assert.Equal((Verdict.Untrusted, "file not approved: /usr/bin/swtpm"), (row.Verdict, row.Reason));
        var both = (await pool.Get<AttestationDirectory>().FindAsync((await pool.HostAsync(Other)).Id, Ct))!.Findings;
        Assert.Equal(["/usr/bin/swtpm", "/usr/local/bin/tool-1"], both.Select(f => f.Component));
        Assert.Equal(asked, Asked(pool, Host).Count);

        // What was compared while the list was at hand needs no list again.
        await pool.AttestAsync(Host);
        Assert.Equal(41, Asked(pool, Host)[^1].MeasurementsFrom);
        Assert.Equal("file not approved: /usr/bin/swtpm", (await pool.RowAsync(Host)).Reason);
    }

    [Fact]
    public async Task Approve_RevisionWithTheProgram_ClearsTheHostAtOnce()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Host);
        Assert.Equal(Verdict.Untrusted, (await pool.AttestAsync(Host)).Verdict);
        var captured = TrustedPool.Expect(await pool.Get<CaptureBaseline>().ExecuteAsync(
            TrustedPool.Author, new((await pool.HostAsync(Host)).Id, BaselineKinds.Runtime, "", BaselineId: await BaselineAsync(pool)), Ct));
        var revision = TrustedPool.Expect(await pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(captured.RevisionId), Ct));

        TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(revision.RevisionId, revision.ContentHash), Ct));

        Assert.Equal(Verdict.Trusted, (await pool.RowAsync(Host)).Verdict);
    }

    [Theory]
    [InlineData(true, Verdict.Untrusted, "measurement list does not match PCR 10")]
    [InlineData(false, Verdict.Trusted, "")]
    public async Task Attest_EntryRemovedFromTheList_CountsOnlyWhereTheKindIsRequired(bool isRequired, Verdict verdict, string reason)
    {
        await using var pool = isRequired ? await RequiredAsync() : await ApprovedAsync();
        await RebootAsync(pool, Other);
        Spoil(pool, sent => sent with { Text = Without(sent.Text, 5) });

        var row = await pool.AttestAsync(Other);

        Assert.Equal((verdict, reason), (row.Verdict, row.Reason));
        Assert.Null((await LookAsync(pool, Other)).Evidence.Measurements);
        Assert.NotNull((await LookAsync(pool, Other)).Evidence.MeasurementFault);
        var explained = await pool.Get<HostExplanations>().OfAsync(row.HostId, Ct);
        Assert.Contains("removed, added, changed or reordered", explained!.Runtime!.Fault, StringComparison.Ordinal);

        pool.Get<MeddlingChannel>().OnTheWay = (_, evidence) => evidence;
        Assert.Equal((Verdict.Trusted, ""), ((await pool.AttestAsync(Other)).Verdict, (await pool.RowAsync(Other)).Reason));
    }

    [Theory]
    [InlineData(true, Verdict.Untrusted, "no measurement list sent")]
    [InlineData(false, Verdict.Trusted, "")]
    public async Task Attest_NoListSent_CountsOnlyWhereTheKindIsRequired(bool isRequired, Verdict verdict, string reason)
    {
        await using var pool = isRequired ? await RequiredAsync() : await ApprovedAsync();
        pool.Get<MeddlingChannel>().OnTheWay = (_, evidence) => evidence with { Measurements = null };

        var row = await pool.AttestAsync(Other);

        Assert.Equal((verdict, reason), (row.Verdict, row.Reason));
    }

    [Theory]
    [InlineData(true, Verdict.Untrusted, "more than is read")]
    [InlineData(false, Verdict.Trusted, null)]
    public async Task Attest_ListTooLongToBeRead_CountsOnlyWhereTheKindIsRequired(bool isRequired, Verdict verdict, string? why)
    {
        await using var pool = isRequired ? await RequiredAsync() : await ApprovedAsync();
        pool.Get<MeddlingChannel>().Instead = request => request.MeasurementsFrom is null ? null : new ChannelAnswer.ListTooLong("The list is more than is read.");

        var row = await pool.AttestAsync(Other);

        Assert.Equal(verdict, row.Verdict);
        var finding = (await pool.Get<AttestationDirectory>().FindAsync(row.HostId, Ct))!.Findings.SingleOrDefault();
        Assert.Equal(why is not null, finding?.Sentence.Contains(why!, StringComparison.Ordinal) ?? false);
        Assert.NotNull((await LookAsync(pool, Other)).Evidence.MeasurementFault);
    }

    [Fact]
    public async Task Require_BeforeAnyListWasAskedFor_SaysThatTheHostWasNotAskedAndIsTrustedWhenItWas()
    {
        await using var pool = await ApprovedAsync();
        var cluster = await PolicyAsync(pool);
        TrustedPool.Expect(await pool.Get<ChangeTrustPolicy>().ExecuteAsync(
            TrustedPool.Administrator, new(pool.Cluster, cluster.Policy with { RequiredKinds = cluster.Policy.RequiredKinds | BaselineKinds.Runtime }, cluster.PolicyRevision), Ct));

        Assert.Equal((Verdict.Untrusted, "not asked for its files yet"), ((await pool.RowAsync(Other)).Verdict, (await pool.RowAsync(Other)).Reason));

        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Other)).Verdict);
    }

    [Fact]
    public async Task Attest_EntriesBeyondTheQuote_AreIgnoredUntilAQuoteVouchesForThem()
    {
        await using var pool = await RequiredAsync();
        await pool.AttestAsync(Host);
        var line = Line(99, "/usr/local/bin/made-up");
        Spoil(pool, sent => sent with { Text = [.. sent.Text, .. line] });

        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);
        Assert.Equal([0], await SegmentsAsync(pool, Host));
    }

    [Fact]
    public async Task Attest_NewFilesUsed_WriteNoHistoryWhileTheVerdictStays()
    {
        await using var pool = await RequiredAsync();
        var content = await ContentAsync(pool);
        var everything = await SubmittedAsync(pool, content with { Runtime = content.Runtime! with { Excludes = ["/usr/local/bin/.*"] } });
        TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(everything.RevisionId, everything.ContentHash), Ct));
        await pool.AttestAsync(Host);
        var id = (await pool.HostAsync(Host)).Id;
        var before = (await pool.Get<AttestationDirectory>().HistoryAsync(id, DateTimeOffset.MinValue, 100, Ct)).Count;
        await RunProgramAsync(pool, Host);

        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);

        Assert.Equal(before, (await pool.Get<AttestationDirectory>().HistoryAsync(id, DateTimeOffset.MinValue, 100, Ct)).Count);
    }

    [Fact]
    public async Task Policy_RuntimeWithoutHypervisor_IsRefused()
    {
        await using var pool = await ApprovedAsync();
        var cluster = await PolicyAsync(pool);
        var outcome = await pool.Get<ChangeTrustPolicy>().ExecuteAsync(
            TrustedPool.Administrator, new(pool.Cluster, cluster.Policy with { RequiredKinds = BaselineKinds.Firmware | BaselineKinds.Runtime }, cluster.PolicyRevision), Ct);

        Assert.Equal("cluster.policy.runtime", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Explain_ProgramRan_PcrTenDiffersAndTheListIsCounted()
    {
        await using var pool = await RequiredAsync();
        await RunProgramAsync(pool, Host);
        await pool.AttestAsync(Host);

        var explained = (await pool.Get<HostExplanations>().OfAsync((await pool.HostAsync(Host)).Id, Ct))!;

        Assert.Equal((42, 1), (explained.Runtime!.Entries, explained.Runtime.Nearest!.Standing!.Deviations));
        var pcr = Assert.Single(explained.Pcrs, p => p.Meaning.Pcr == ImaList.Pcr);
        Assert.Equal((PcrComparison.FirstDifference, "runtime rev. 1"), (pcr.Comparison, pcr.Baseline));
    }

    private static async Task<TrustedPool> ApprovedAsync()
    {
        var pool = await Meddling.StartAsync();
        await pool.ApproveAsync("runtime", BaselineKinds.Runtime, await pool.CaptureFilesAsync(Host));
        return pool;
    }

    private static async Task<TrustedPool> RequiredAsync()
    {
        var pool = await Meddling.StartAsync();
        await pool.RequireRuntimeAsync(Host, Other);
        return pool;
    }

    private static async Task<Cluster> PolicyAsync(TrustedPool pool)
    {
        await using var db = pool.Database();
        return await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == pool.Cluster, Ct);
    }

    private static async Task<Guid> BaselineAsync(TrustedPool pool)
    {
        await using var db = pool.Database();
        return await db.Baselines.Where(b => b.Name == "runtime").Select(b => b.Id).SingleAsync(Ct);
    }

    private static async Task<BaselineContent> ContentAsync(TrustedPool pool)
    {
        var id = await BaselineAsync(pool);
        await using var db = pool.Database();
        return BaselineContent.Parse(await db.BaselineRevisions.Where(r => r.BaselineId == id).Select(r => r.Content).SingleAsync(Ct));
    }

    private static async Task<RevisionStanding> SubmittedAsync(TrustedPool pool, BaselineContent content)
    {
        var revision = TrustedPool.Expect(await pool.Get<NewRevision>().ExecuteAsync(TrustedPool.Author, new(await BaselineAsync(pool), content), Ct));
        return TrustedPool.Expect(await pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(revision.RevisionId), Ct));
    }

    private static async Task RunProgramAsync(TrustedPool pool, string host) =>
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().RunProgramAsync(TrustedPool.Administrator, (await pool.HostAsync(host)).Id, Ct));

    private static async Task RebootAsync(TrustedPool pool, string host) =>
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().RebootAsync(TrustedPool.Administrator, (await pool.HostAsync(host)).Id, Ct));

    private static List<QuoteRequest> Asked(TrustedPool pool, string host) =>
        [.. pool.Get<MeddlingChannel>().Asked.Where(a => a.Host.Name == host).Select(a => a.Request)];

    private static async Task<(Verdict Verdict, EvidenceRecord Evidence)> LookAsync(TrustedPool pool, string host)
    {
        var id = (await pool.HostAsync(host)).Id;
        await using var db = pool.Database();
        return ((await pool.RowAsync(host)).Verdict, await db.Evidence.AsNoTracking().SingleAsync(e => e.Id == id, Ct));
    }

    private static async Task<List<int>> SegmentsAsync(TrustedPool pool, string host)
    {
        var id = (await pool.HostAsync(host)).Id;
        await using var db = pool.Database();
        return await db.MeasurementSegments.Where(s => s.HostId == id).OrderBy(s => s.Start).Select(s => s.Start).ToListAsync(Ct);
    }

    private static void Spoil(TrustedPool pool, Func<SentMeasurements, SentMeasurements> how) =>
        pool.Get<MeddlingChannel>().OnTheWay = (_, evidence) => evidence.Measurements is { } sent ? evidence with { Measurements = how(sent) } : evidence;

    private static byte[] Without(byte[] text, int line)
    {
        var lines = Encoding.ASCII.GetString(text).Split('\n');
        return Encoding.ASCII.GetBytes(string.Join('\n', lines.Where((_, i) => i != line)));
    }

    private static byte[] Line(byte of, string path)
    {
        var digest = Enumerable.Repeat(of, 32).ToArray();
        return Encoding.ASCII.GetBytes($"10 {new string('a', 40)} ima-ng sha256:{Convert.ToHexStringLower(digest)} {path}\n");
    }
}
