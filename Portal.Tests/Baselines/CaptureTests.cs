using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Baselines;

public sealed class CaptureTests : IAsyncLifetime
{
    private Bench bench = null!;
    private Host host = null!;

    public async ValueTask InitializeAsync()
    {
        bench = await Bench.StartAsync();
        host = await bench.HostAsync(await bench.ClusterAsync("prod"), "kvm1");
    }

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Theory]
    [InlineData(BaselineKinds.Firmware, new[] { 0, 2, 7 })]
    [InlineData(BaselineKinds.Hypervisor, new[] { 4, 8, 14 })]
    public async Task Capture_TakesThePcrsOfTheKindThatAreThereEventByEvent(BaselineKinds kind, int[] pcrs)
    {
        await EvidenceAsync(Log().Bytes());

        var draft = (await CaptureAsync(kind)).Value;

        var content = await ContentAsync(draft);
        Assert.Equal(pcrs, content.Pcrs.Select(p => p.Pcr));
        Assert.All(content.Pcrs, p => Assert.True(p.IsByEvent));
        Assert.Equal("ann", Assert.Single(await bench.PeopleAsync(draft.RevisionId)).Subject);
        Assert.Equal(("baseline.captured", "Ann created the baseline captured from what kvm1 measured."), await LastAuditAsync());
    }

    [Fact]
    public async Task Capture_LabelsOnlyWithWordsTheDigestVouchesFor()
    {
        await EvidenceAsync(Log().Bytes());

        var content = await ContentAsync((await CaptureAsync(BaselineKinds.Hypervisor)).Value);

        var command = Assert.Single(content.Pcrs.Single(p => p.Pcr == 8).Events);
        Assert.Contains("linux /vmlinuz", command.Label, StringComparison.Ordinal);
        var loader = content.Pcrs.Single(p => p.Pcr == 4).Events.Single(e => e.Type == (uint)EventType.EfiBootServicesApplication);
        Assert.Equal("", loader.Label);
    }

    [Fact]
    public async Task Capture_ThenSubmitAndApprove_PutsItInForce()
    {
        await EvidenceAsync(Log().Bytes());
        var draft = (await CaptureAsync(BaselineKinds.Hypervisor)).Value;

        Assert.True((await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(draft.RevisionId), default)).Succeeded);
        Assert.True((await bench.Get<ApproveRevision>().ExecuteAsync(Bench.Bob, new(draft.RevisionId, draft.ContentHash), default)).Succeeded);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Capture_OfARealBoot_MakesADraftThatMayBeSubmitted(int boot)
    {
        var pcrs = Fixture.VmPcrs(boot).Where(p => p.Key.Bank == TpmAlgorithm.Sha256).ToDictionary(p => p.Key.Pcr, p => p.Value.Replace("0x", "", StringComparison.OrdinalIgnoreCase));
        await EvidenceAsync(Fixture.VmLog(boot), pcrs);

        foreach (var kind in new[] { BaselineKinds.Firmware, BaselineKinds.Hypervisor })
        {
            var draft = (await CaptureAsync(kind, name: kind.ToString())).Value;
            Assert.True((await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(draft.RevisionId), default)).Succeeded);
        }
    }

    [Theory]
    [InlineData(BaselineKinds.Hypervisor, new[] { 17, 19 })]
    [InlineData(BaselineKinds.Firmware, new int[0])]
    public async Task Capture_AfterAMeasuredLaunch_TakesItsRegistersByValue_ButNoneThatAreEmpty(BaselineKinds kind, int[] expected)
    {
        var pcrs = Fixture.VmPcrs(1).Where(p => p.Key.Bank == TpmAlgorithm.Sha256).ToDictionary(p => p.Key.Pcr, p => p.Value.Replace("0x", "", StringComparison.OrdinalIgnoreCase));
        (pcrs[17], pcrs[18], pcrs[19], pcrs[20]) = (new string('A', 64), new string('F', 64), new string('b', 64), new string('c', 64));
        await EvidenceAsync(Fixture.VmLog(1), pcrs);

        var content = await ContentAsync((await CaptureAsync(kind)).Value);

        Assert.Equal(expected, content.Pcrs.Where(p => p.Pcr >= 17).Select(p => p.Pcr));
        Assert.All(content.Pcrs.Where(p => p.Pcr == 17), p => Assert.Equal([new string('a', 64)], p.Digests));
    }

    [Fact]
    public async Task Capture_IntoABaseline_StartsARevisionThatKeepsScopeAndLabels()
    {
        await EvidenceAsync(Log().Bytes());
        var first = (await CaptureAsync(BaselineKinds.Hypervisor, clusters: [host.ClusterId])).Value;
        var labelled = Relabel(await ContentAsync(first), 4, "GRUB 2.06-61");
        var edited = (await bench.Get<EditRevision>().ExecuteAsync(Bench.Ann, new(first.RevisionId, first.Version, labelled), default)).Value;
        await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(edited.RevisionId), default);
        await bench.Get<ApproveRevision>().ExecuteAsync(Bench.Bob, new(edited.RevisionId, edited.ContentHash), default);

        var second = (await CaptureAsync(BaselineKinds.Hypervisor, into: first.BaselineId)).Value;

        var content = await ContentAsync(second);
        Assert.Equal((2, first.BaselineId), (second.Number, second.BaselineId));
        Assert.Equal([host.ClusterId], content.Clusters);
        Assert.Contains(content.Pcrs.Single(p => p.Pcr == 4).Events, e => string.Equals(e.Label, "GRUB 2.06-61", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Capture_OfEvidenceThatFailedACheck_IsRefusedAndAuditedOnTheHost()
    {
        await EvidenceAsync(Log().Bytes(), failure: FindingCode.NonceMismatch);

        Assert.Equal("baseline.capture.failed", (await CaptureAsync(BaselineKinds.Firmware)).Refusal?.Code);
        var last = (await bench.AuditAsync())[^1];
        Assert.Equal(("host", "kvm1", AuditSeverity.Refusal), (last.TargetKind, last.TargetName, last.Severity));
        Assert.Empty(await bench.QueryAsync(db => db.Baselines.ToListAsync()));
    }

    [Fact]
    public async Task Capture_OfAnUnmeasuredBank_IsRefused()
    {
        await EvidenceAsync(Log(separatorsUpTo: 6).Bytes());

        Assert.Equal("baseline.capture.unmeasured", (await CaptureAsync(BaselineKinds.Firmware)).Refusal?.Code);
    }

    [Fact]
    public async Task Capture_WhereTheLogDoesNotAddUp_IsRefusedForFirmwarePcrsAndLeavesOthersOut()
    {
        var values = Replay(Log().Bytes());
        values[8] = Contents.Digest(1);
        await EvidenceAsync(Log().Bytes(), values);
        var content = await ContentAsync((await CaptureAsync(BaselineKinds.Hypervisor)).Value);
        Assert.DoesNotContain(content.Pcrs, p => p.Pcr == 8);
        Assert.Contains("PCR 8", content.Notes, StringComparison.Ordinal);

        values[4] = Contents.Digest(1);
        await EvidenceAsync(Log().Bytes(), values);
        Assert.Equal("baseline.capture.replay", (await CaptureAsync(BaselineKinds.Hypervisor, name: "other")).Refusal?.Code);
    }

    [Fact]
    public async Task Capture_WithoutEvidenceLogOrPermission_IsRefused()
    {
        Assert.Equal("baseline.capture.no_evidence", (await CaptureAsync(BaselineKinds.Firmware)).Refusal?.Code);
        await EvidenceAsync(null, []);
        Assert.Equal("baseline.capture.no_log", (await CaptureAsync(BaselineKinds.Firmware)).Refusal?.Code);
        var denied = await bench.Get<CaptureBaseline>().ExecuteAsync(Bench.Admin, new(host.Id, BaselineKinds.Firmware, "x"), default);
        Assert.Equal("access.denied", denied.Refusal?.Code);
    }

    [Fact]
    public async Task Capture_IntoABaselineOfTheOtherKind_IsRefused()
    {
        await EvidenceAsync(Log().Bytes());
        var firmware = (await CaptureAsync(BaselineKinds.Firmware)).Value;

        Assert.Equal("baseline.capture.kind", (await CaptureAsync(BaselineKinds.Hypervisor, into: firmware.BaselineId)).Refusal?.Code);
    }

    private static LogWriter Log(int separatorsUpTo = 7)
    {
        var log = new LogWriter(TpmAlgorithm.Sha256)
            .Measure(0, EventType.EfiPlatformFirmwareBlob2, [1, 2, 3], [9, 9, 9])
            .Measure(2, EventType.EfiBootServicesDriver, [1], [8, 8])
            .Measure(7, EventType.EfiVariableDriverConfig, [4, 5])
            .Measure(4, EventType.EfiAction, Encoding.ASCII.GetBytes("Calling EFI Application from Boot Option"));
        for (var pcr = 0; pcr <= separatorsUpTo; pcr++)
        {
            log.Measure(pcr, EventType.Separator, [0, 0, 0, 0]);
        }

        var command = Encoding.ASCII.GetBytes("linux /vmlinuz quiet");
        return log
            .Measure(4, EventType.EfiBootServicesApplication, new byte[40], [7, 7, 7])
            .Measure(8, EventType.Ipl, [.. "grub_cmd: "u8, .. command, 0], command)
            .Measure(14, EventType.Ipl, "MokList\0"u8.ToArray(), [6]);
    }

    private static Dictionary<int, string> Replay(byte[] log)
    {
        var bank = EventLog.Parse(log).Value.Replay(TpmAlgorithm.Sha256).Value;
        return bank.Pcrs.ToDictionary(p => p, p => Convert.ToHexStringLower(bank.Get(p)!));
    }

    private static BaselineContent Relabel(BaselineContent content, int pcr, string label) => content with
    {
        Pcrs = [.. content.Pcrs.Select(p => p.Pcr != pcr ? p : p with { Events = [.. p.Events.Select((e, i) => i == p.Events.Length - 1 ? e with { Label = label } : e)] })],
    };

    private Task<Outcome<RevisionStanding>> CaptureAsync(BaselineKinds kind, string name = "captured", Guid? into = null, IReadOnlyList<Guid>? clusters = null) =>
        bench.Get<CaptureBaseline>().ExecuteAsync(Bench.Ann, new(host.Id, kind, name, "", into, clusters), default);

    private async Task<BaselineContent> ContentAsync(RevisionStanding of) => BaselineContent.Parse((await bench.RevisionAsync(of.RevisionId)).Content);

    private async Task<(string Event, string Sentence)> LastAuditAsync() => (await bench.AuditAsync())[^1] is var last ? (last.Event, last.Sentence) : default;

    private Task EvidenceAsync(byte[]? log, Dictionary<int, string>? pcrs = null, FindingCode? failure = null) => bench.QueryAsync(async db =>
    {
        var digest = log is null ? null : Convert.ToHexStringLower(SHA256.HashData(log));
        await db.Evidence.ExecuteDeleteAsync();
        if (log is not null && !await db.EventLogs.AnyAsync(l => l.Digest == digest))
        {
            db.EventLogs.Add(new EventLogRecord { Digest = digest!, Content = log });
        }

        db.Evidence.Add(new EvidenceRecord
        {
            Id = host.Id,
            HostId = host.Id,
            IssuedAt = bench.Time.GetUtcNow(),
            Purpose = AttestationPurpose.Round,
            NonceRandom = [],
            Nonce = "",
            Operations = "",
            AttestationKey = [],
            Quote = [],
            Signature = [],
            Bank = PcrBanks.Sha256,
            Pcrs = JsonSerializer.Serialize(pcrs ?? Replay(log!)),
            EventLogDigest = digest,
            Digest = "0123",
            Failure = failure,
        });
        return await db.SaveChangesAsync();
    });
}
