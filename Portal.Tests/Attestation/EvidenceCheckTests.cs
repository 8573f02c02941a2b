using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

public sealed class EvidenceCheckTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Attest_LogSilentAboutAnExtendedPcr_DoesNotMatchOptionalEvents()
    {
        await using var pool = await PoolAsync(approve: false);
        var optional = new PcrReference(14, [], [new EventReference(13, [new string('b', 64)], "our MOK list", true)]);
        await ApproveAsync(pool, pcrs => [.. pcrs.Where(p => p.Pcr != 14), optional]);
        var honest = await AttestAsync(pool);
        Assert.Equal((Verdict.Untrusted, "machine owner keys not approved (PCR 14)"), (honest.Verdict, honest.Reason));
        Rewrite(pool, log => Without(log, 14, all: true));

        var liar = await AttestAsync(pool);

        Assert.Equal((Verdict.Untrusted, CheckOutcome.Ok), (liar.Verdict, liar.Outcome));
        var finding = AttestationDirectory.Findings(liar.Findings)[0];
        Assert.Equal((FindingCode.LogDoesNotReplay, 14), (finding.Code, finding.Pcr));
    }

    [Fact]
    public async Task Attest_PcrNothingWasMeasuredInto_MatchesOptionalEvents()
    {
        await using var pool = await PoolAsync(approve: false);
        await ApproveAsync(pool, pcrs => [.. pcrs, new PcrReference(15, [], [new EventReference(13, [new string('b', 64)], "disk key", true)])]);

        Assert.Equal((Verdict.Trusted, ""), Of(await AttestAsync(pool)));
    }

    [Fact]
    public async Task Approve_ByEventBaselineOfOtherHosts_LeavesAHostThatMatchesItsOwnTrusted()
    {
        await using var pool = await PoolAsync(approve: false);
        await ApproveAsync(pool, pcrs => [.. pcrs.Where(p => p.Pcr == 4)]);
        Rewrite(pool, log => Without(log, 9, all: false));
        var before = await AttestAsync(pool);
        Assert.Equal(Verdict.Trusted, before.Verdict);
        Assert.Contains(AttestationDirectory.Findings(before.Findings), f => f is { IsNote: true, Code: FindingCode.ExtendedAfterBoot, Pcr: 9 });

        await pool.ApproveAsync("other hosts", BaselineKinds.Hypervisor, Content(new PcrReference(9, [], [new EventReference(13, [new string('c', 64)], "kernel")])));

        Assert.Equal((Verdict.Trusted, ""), Of(await pool.RowAsync(Host)));
        Assert.Equal((Verdict.Trusted, ""), Of(await AttestAsync(pool)));
    }

    [Fact]
    public async Task Attest_LogThatDoesNotExplainACoveredPcr_IsAMismatchThatAnotherBaselineClears()
    {
        await using var pool = await PoolAsync();
        Rewrite(pool, log => Without(log, 9, all: false));

        var row = await AttestAsync(pool);

        Assert.Equal((Verdict.Untrusted, CheckOutcome.Ok, null), (row.Verdict, row.Outcome, row.FailedCheck));
        var finding = AttestationDirectory.Findings(row.Findings).First(f => !f.IsNote);
        Assert.Equal((FindingCode.LogDoesNotReplay, 9), (finding.Code, finding.Pcr));
        await ApproveAsync(pool, pcrs => [.. pcrs.Where(p => p.Pcr == 4)], "narrower ");
        Assert.Equal((Verdict.Trusted, ""), Of(await pool.RowAsync(Host)));
    }

    [Theory]
    [InlineData("0 new hosts")]
    [InlineData("zz new hosts")]
    public async Task Approve_BaselineOfAnotherBank_TakesNoTrustAndThePreviewSaysSo(string name)
    {
        await using var pool = await PoolAsync();
        await AttestAsync(pool);
        var content = Content(new PcrReference(4, [new string('a', 96)], [], "new hosts")) with { Bank = PcrBanks.Sha384 };
        var created = TrustedPool.Expect(await pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new(name, BaselineKinds.Hypervisor, "", content), pool.Ct));
        var impact = TrustedPool.Expect(await pool.Get<ImpactPreview>().IfApprovedAsync(TrustedPool.Approver, created.RevisionId, retirePrevious: false, pool.Ct));
        await foreach (var host in impact.ByHost)
        {
            Assert.NotEqual(ImpactEffect.LosesTrust, host.Effect);
        }

        var submitted = TrustedPool.Expect(await pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(created.RevisionId), pool.Ct));
        TrustedPool.Expect(await pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(submitted.RevisionId, submitted.ContentHash), pool.Ct));

        Assert.Equal((Verdict.Trusted, ""), Of(await pool.RowAsync(Host)));
        Assert.Equal((Verdict.Trusted, ""), Of(await AttestAsync(pool)));
    }

    [Fact]
    public async Task Round_LogPaddedDifferentlyEachTime_KeepsOneLogAndNoHistory()
    {
        await using var pool = await PoolAsync();
        await AttestAsync(pool);
        var before = await KeptAsync(pool);
        Rewrite(pool, log => Padded(log, 64 << 10));

        for (var round = 0; round < 4; round++)
        {
            Assert.Equal(Verdict.Trusted, (await AttestAsync(pool)).Verdict);
        }

        // The log of the first answer stays: its transition refers to it.
        Assert.Equal(before with { Logs = before.Logs + 1 }, await KeptAsync(pool));
    }

    [Fact]
    public async Task Attest_LogBeyondTheLimit_IsUntrustedAndNotStored()
    {
        await using var pool = await PoolAsync();
        await AttestAsync(pool);
        var before = await KeptAsync(pool);
        Rewrite(pool, log => Padded(log, 1 << 20));

        var row = await AttestAsync(pool);

        Assert.Equal((Verdict.Untrusted, FindingCode.LogMalformed), (row.Verdict, row.FailedCheck));
        Assert.Contains("1 MiB", AttestationDirectory.Findings(row.Findings)[0].Sentence, StringComparison.Ordinal);
        Assert.Equal(before.Logs, (await KeptAsync(pool)).Logs);
    }

    [Fact]
    public async Task Attest_LogThatCannotBeRead_IsNotStored()
    {
        await using var pool = await PoolAsync();
        await AttestAsync(pool);
        var before = await KeptAsync(pool);
        Rewrite(pool, log => [.. log[..^7], .. RandomNumberGenerator.GetBytes(4)]);

        Assert.Equal(Verdict.Untrusted, (await AttestAsync(pool)).Verdict);

        Assert.Equal(before.Logs, (await KeptAsync(pool)).Logs);
    }

    private static Task<TrustedPool> PoolAsync(bool approve = true) => TrustedPool.StartAsync(hosts: 1, approve: approve, more: services =>
    {
        services.RemoveAll<IAttesterChannel>();
        services.AddSingleton<RewritingChannel>();
        services.AddSingleton<IAttesterChannel>(p =>
        {
            p.GetRequiredService<SimulatedFleet>();
            return p.GetRequiredService<RewritingChannel>();
        });
    });

    private static void Rewrite(TrustedPool pool, Func<byte[], byte[]> log) => pool.Get<RewritingChannel>().Log = log;

    private static async Task<HostAttestation> AttestAsync(TrustedPool pool)
    {
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        return await pool.AttestAsync(Host);
    }

    private static (Verdict Verdict, string Reason) Of(HostAttestation row) => (row.Verdict, row.Reason);

    private static BaselineContent Content(params PcrReference[] pcrs) => new(PcrBanks.Sha256, [.. pcrs], [], "");

    /// <summary>Approves what the fleet boots, with other PCRs in the hypervisor baselines.</summary>
    private static async Task ApproveAsync(TrustedPool pool, Func<IReadOnlyList<PcrReference>, PcrReference[]> hypervisor, string prefix = "")
    {
        var number = 0;
        foreach (var reference in pool.Get<SimulatedFleet>().References)
        {
            var content = TrustedPool.ContentOf(reference);
            await (reference.Kind == ReferenceKind.Hypervisor
                ? pool.ApproveAsync($"{prefix}b {number++}", BaselineKinds.Hypervisor, content with { Pcrs = [.. hypervisor(content.Pcrs)] })
                : pool.ApproveAsync($"{prefix}b {number++}", BaselineKinds.Firmware, content));
        }
    }

    private static async Task<Kept> KeptAsync(TrustedPool pool)
    {
        await using var db = pool.Database();
        return new Kept(await db.EventLogs.CountAsync(pool.Ct), await db.Evidence.CountAsync(pool.Ct), await db.AttestationTransitions.CountAsync(pool.Ct));
    }

    /// <summary>The log without the events of a PCR, or without the first of them.</summary>
    private static byte[] Without(byte[] log, uint pcr, bool all)
    {
        var bytes = log.AsSpan();
        var at = 32 + (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes[28..]);
        var kept = new List<byte>(log[..at]);
        var left = all ? int.MaxValue : 1;
        while (at < log.Length)
        {
            var start = at;
            var banks = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(at + 8)..]);
            at += 12;
            for (var i = 0; i < banks; i++)
            {
                at += 2 + BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]) switch { 0x4 => 20, 0xB => 32, 0xC => 48, _ => 64 };
            }

            at += 4 + (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[start..]) != pcr || left-- <= 0)
            {
                kept.AddRange(log[start..at]);
            }
        }

        return [.. kept];
    }

    /// <summary>The log with a random EV_NO_ACTION at its end, which extends nothing.</summary>
    private static byte[] Padded(byte[] log, int length)
    {
        var header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), length);
        return [.. log, .. header, .. RandomNumberGenerator.GetBytes(length)];
    }

    private sealed record Kept(int Logs, int Evidence, int History);

    /// <summary>The simulated hosts, with a man in the middle who writes their event logs anew.</summary>
    private sealed class RewritingChannel(SimulatedAttesterChannel inner) : IAttesterChannel
    {
        public Func<byte[], byte[]> Log { get; set; } = log => log;

        public bool Reaches(HostEndpoint host) => inner.Reaches(host);

        public async ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct) =>
            await inner.QuoteAsync(host, request, ct) is ChannelAnswer.Answered(var evidence) && evidence.EventLog is { } log
                ? new ChannelAnswer.Answered(evidence with { EventLog = Log(log) })
                : new ChannelAnswer.Silent("It said nothing.");

        public ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct) => inner.IdentifyAsync(host, ct);
    }
}
