using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class ImaReplayTests
{
    private static readonly Measured[] s_entries =
    [
        ImaBench.Aggregate(), Measured.File("/sbin/init", 1), Measured.File("/bin/bash", 2), Measured.File("/usr/bin/qemu", 3), Measured.File("/usr/bin/virsh", 4),
    ];

    [Theory]
    [InlineData(1, "bin")]
    [InlineData(1, "txt")]
    [InlineData(2, "bin")]
    [InlineData(2, "txt")]
    public void Verify_RecordedBoot_LeadsToTheQuotedPcr(int boot, string form)
    {
        var quote = Fixture.Quote($"vm-boot{boot}").Check().Value;
        var list = Parse(form, Fixture.Tpm($"vm-ovmf-boot{boot}/ima-after.{form}")).Value;

        var verified = ImaReplay.Verify(list, 0, quote, TpmAlgorithm.Sha256).Value;

        Assert.Equal((0, 40, 40), (verified.From, verified.Count, verified.State.Position));
        Assert.Equal(quote.Values.Bank(TpmAlgorithm.Sha256)!.Get(10), verified.State.Pcr.ToArray());
        Assert.Equal((quote.Attest.ResetCount, quote.Attest.RestartCount), (verified.State.ResetCount, verified.State.RestartCount));
        Assert.Equal("489b071c954dad3b7d916a52d6d89ff1b605536aea9fc0015a4a16030f13fad7", Convert.ToHexStringLower(verified.BootAggregate!.Value.Span));
    }

    [Theory]
    [InlineData(1, "bin")]
    [InlineData(1, "txt")]
    [InlineData(2, "bin")]
    [InlineData(2, "txt")]
    public void Verify_RecordedBootInTwoPieces_GoesOnFromThePcrReadEarlier(int boot, string form)
    {
        var quote = Fixture.Quote($"vm-boot{boot}").Check().Value;
        // PCR 10 was read when the list had two entries, before the tools that made the quote were loaded.
        var early = ImaBench.Recorded(boot, Convert.FromHexString(Fixture.VmPcrs(boot)[(TpmAlgorithm.Sha256, 10)]), quote.Attest.ResetCount);
        var whole = Parse(form, Fixture.Tpm($"vm-ovmf-boot{boot}/ima-after.{form}")).Value;

        var first = ImaReplay.Verify(Parse(form, Fixture.Tpm($"vm-ovmf-boot{boot}/ima.{form}")).Value, 0, early, TpmAlgorithm.Sha256).Value;
        var again = ImaReplay.Verify(whole, 0, early, TpmAlgorithm.Sha256).Value;
        var rest = ImaReplay.Verify(whole, 0, quote, TpmAlgorithm.Sha256, first.State).Value;

        Assert.Equal(2, first.Count);
        Assert.Equal(2, again.Count);
        Assert.Equal((2, 38, 40), (rest.From, rest.Count, rest.State.Position));
        Assert.Equal("/bin/tpm2", rest.List[rest.From].PathText);
    }

    [Theory]
    [InlineData(1, "ima-after.bin")]
    [InlineData(1, "ima-after.txt")]
    [InlineData(2, "ima-after.bin")]
    public void Verify_RecordedListWithAnyBitFlippedOrByteMissing_IsNeverAccepted(int boot, string file)
    {
        var bytes = Fixture.Tpm($"vm-ovmf-boot{boot}/{file}");
        var quote = Fixture.Quote($"vm-boot{boot}").Check().Value;
        Assert.Equal(40, ImaReplay.Verify(Parse(file, bytes).Value, 0, quote, TpmAlgorithm.Sha256).Value.Count);

        for (var at = 0; at < bytes.Length; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                bytes[at] ^= (byte)(1 << bit);
                Assert.False(Accepts(file, bytes, quote), $"bit {bit} of byte {at} flipped");
                bytes[at] ^= (byte)(1 << bit);
            }
            Assert.False(Accepts(file, bytes[..at], quote), $"cut at byte {at}");
            Assert.False(Accepts(file, [.. bytes[..at], .. bytes[(at + 1)..]], quote), $"without byte {at}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Verify_RecordedEntriesReorderedDroppedOrDoubled_IsNeverAccepted(int boot)
    {
        var lines = System.Text.Encoding.ASCII.GetString(Fixture.Tpm($"vm-ovmf-boot{boot}/ima-after.txt")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var quote = Fixture.Quote($"vm-boot{boot}").Check().Value;
        Assert.True(Accepts("txt", Join(lines), quote));

        for (var i = 0; i < lines.Length; i++)
        {
            Assert.False(Accepts("txt", Join([.. lines[..i], .. lines[(i + 1)..]]), quote), $"without entry {i}");
            // A second last entry stands behind what was quoted.
            Assert.Equal(i == lines.Length - 1, Accepts("txt", Join([.. lines[..i], lines[i], .. lines[i..]]), quote));
            for (var j = i + 1; j < lines.Length; j++)
            {
                var swapped = (string[])lines.Clone();
                (swapped[i], swapped[j]) = (lines[j], lines[i]);
                Assert.False(Accepts("txt", Join(swapped), quote), $"entries {i} and {j} swapped");
            }
        }
    }

    [Fact]
    public void Verify_ListOfTheOtherBoot_IsRefusedWhereFirmwareDiffers()
    {
        var list = ImaBench.List(s_entries);
        var other = ImaBench.Quote(PcrSelection.Of(TpmAlgorithm.Sha256, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), [.. new byte[320], .. ImaBench.Pcr(s_entries)]);

        Assert.Equal(TpmRefusalCode.BootAggregateMismatch, Refused(list, 0, other));
    }

    [Fact]
    public void Verify_EveryPrefix_IsFoundAndTheRestIgnored()
    {
        Measured forged = new("ima-ng", "sha256", new byte[32], "/made/up");
        for (var count = 1; count <= s_entries.Length; count++)
        {
            var list = ImaBench.List([.. s_entries, forged]);

            var verified = ImaReplay.Verify(list, 0, ImaBench.Quote(ImaBench.Pcr(s_entries[..count])), TpmAlgorithm.Sha256).Value;

            Assert.Equal((0, count, count), (verified.From, verified.Count, verified.State.Position));
        }
    }

    [Fact]
    public void Verify_ForgedEntryInsideThePrefix_IsRefused()
    {
        Measured[] forged = [.. s_entries[..2], Measured.File("/bin/bash", 9), .. s_entries[3..]];

        Assert.Equal(TpmRefusalCode.ListNotReplayed, Refused(ImaBench.List(forged), 0, ImaBench.Quote(ImaBench.Pcr(s_entries))));
    }

    [Fact]
    public void Verify_InPieces_GoesOnWhereItStopped()
    {
        for (var count = 1; count <= s_entries.Length; count++)
        {
            var before = ImaReplay.Verify(ImaBench.List(s_entries), 0, ImaBench.Quote(ImaBench.Pcr(s_entries[..count])), TpmAlgorithm.Sha256).Value;
            var quote = ImaBench.Quote(ImaBench.Pcr(s_entries));
            for (var first = 0; first <= count; first++)
            {
                var list = first < s_entries.Length ? ImaBench.List(s_entries[first..]) : ImaList.Empty;

                var after = ImaReplay.Verify(list, first, quote, TpmAlgorithm.Sha256, before.State).Value;

                Assert.Equal((count - first, s_entries.Length - count, count), (after.From, after.Count, after.Position));
                Assert.Equal(s_entries.Length, after.State.Position);
                for (var i = 0; i < after.Count; i++)
                    Assert.Equal(s_entries[count + i].Path, after.List[after.From + i].PathText);
            }
        }
    }

    [Fact]
    public void Verify_NothingNew_IsFoundWithAnEmptyList()
    {
        var quote = ImaBench.Quote(ImaBench.Pcr(s_entries));
        var state = ImaReplay.Verify(ImaBench.List(s_entries), 0, quote, TpmAlgorithm.Sha256).Value.State;

        Assert.Equal(0, ImaReplay.Verify(ImaList.Empty, 5, quote, TpmAlgorithm.Sha256, state).Value.Count);
        Assert.Equal(TpmRefusalCode.ListNotReplayed, Refused(ImaList.Empty, 0, quote));
    }

    [Theory]
    [InlineData(ImaBench.Boot + 1, 0u)]
    [InlineData(ImaBench.Boot, 1u)]
    public void Verify_AfterARebootOrResume_StartsOver(uint reset, uint restart)
    {
        var state = ImaReplay.Verify(ImaBench.List(s_entries), 0, ImaBench.Quote(ImaBench.Pcr(s_entries)), TpmAlgorithm.Sha256).Value.State;
        var quote = ImaBench.Quote(ImaBench.Pcr(s_entries[..3]), reset, restart);

        Assert.Equal(TpmRefusalCode.ListGap, Refused(ImaBench.List(s_entries[2..]), 2, quote, state));
        var verified = ImaReplay.Verify(ImaBench.List(s_entries), 0, quote, TpmAlgorithm.Sha256, state).Value;
        Assert.Equal((3, reset, restart), (verified.Count, verified.State.ResetCount, verified.State.RestartCount));
    }

    [Fact]
    public void Verify_ListThatLeavesEntriesOut_IsRefused()
    {
        var quote = ImaBench.Quote(ImaBench.Pcr(s_entries));
        var state = ImaReplay.Verify(ImaBench.List(s_entries), 0, ImaBench.Quote(ImaBench.Pcr(s_entries[..2])), TpmAlgorithm.Sha256).Value.State;

        Assert.Equal(TpmRefusalCode.ListGap, Refused(ImaBench.List(s_entries[3..]), 3, quote, state));
        Assert.Equal(TpmRefusalCode.ListGap, Refused(ImaBench.List(s_entries), -1, quote, state));
        Assert.Equal(TpmRefusalCode.ListNotReplayed, Refused(ImaBench.List(s_entries[3..]), 2, quote, state));
    }

    [Fact]
    public void Verify_Violation_IsExtendedAsOnes()
    {
        Measured[] entries = [.. s_entries, new("ima-ng", "sha256", new byte[32], "/var/log/wtmp", IsViolation: true), Measured.File("/bin/ls", 9)];

        Assert.Equal(7, ImaReplay.Verify(ImaBench.List(entries), 0, ImaBench.Quote(ImaBench.Pcr(entries)), TpmAlgorithm.Sha256).Value.Count);
        // To call a measured entry a violation is no way out.
        entries[3] = entries[3] with { IsViolation = true };
        Assert.Equal(TpmRefusalCode.ListNotReplayed, Refused(ImaBench.List(entries), 0, ImaBench.Quote(ImaBench.Pcr(s_entries))));
    }

    [Fact]
    public void Verify_EveryTemplateAndTheSha384Bank_AreComputedAsTheKernelDoes()
    {
        Measured[] entries =
        [
            ImaBench.Aggregate(TpmAlgorithm.Sha384), new("ima", "sha1", new byte[20], "/sbin/init"),
            new("ima-sig", "sha256", new byte[32], "/bin/a", [1, 2, 3]), new("ima-buf", "sha256", new byte[32], "kexec-cmdline", [1]),
            new("ima-modsig", "sha256", new byte[32], "/lib/module.ko", [9]),
        ];

        var verified = ImaReplay.Verify(ImaBench.List(entries), 0, ImaBench.Quote(ImaBench.Pcr(entries, 48)), TpmAlgorithm.Sha384).Value;

        Assert.Equal((5, 48), (verified.Count, verified.State.Pcr.Length));
    }

    [Fact]
    public void Verify_FirstEntryIsNoBootAggregate_IsRefused()
    {
        foreach (var first in new[]
        {
            Measured.File("/bin/bash", 1), ImaBench.Aggregate() with { IsViolation = true }, ImaBench.Aggregate() with { Template = "ima-buf", Last = [] },
            ImaBench.Aggregate() with { Template = "ima-sigv2" },
        })
        {
            Measured[] entries = [first, .. s_entries[1..]];
            Assert.Equal(TpmRefusalCode.BootAggregateMismatch, Refused(ImaBench.List(entries), 0, ImaBench.Quote(ImaBench.Pcr(entries))));
        }
    }

    [Fact]
    public void Verify_QuoteWithoutTheFirmwaresPcrs_SaysThatTheListIsNotTiedToThem()
    {
        var quote = ImaBench.Quote(PcrSelection.Of(TpmAlgorithm.Sha256, 10), ImaBench.Pcr(s_entries));

        Assert.Null(ImaReplay.Verify(ImaBench.List(s_entries), 0, quote, TpmAlgorithm.Sha256).Value.BootAggregate);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void BootAggregate_OfRecordedPcrs_IsThatOfTheKernelsRule(int boot)
    {
        var all = Fixture.VmPcrs(boot);
        byte[] Joined(TpmAlgorithm bank, int count) => [.. Enumerable.Range(0, count).SelectMany(pcr => Convert.FromHexString(all[(bank, pcr)]))];
        var sha1 = PcrValues.FromConcatenated(PcrSelection.Of(TpmAlgorithm.Sha1, 0, 1, 2, 3, 4, 5, 6, 7), Joined(TpmAlgorithm.Sha1, 8)).Value;
        var sha256 = PcrValues.FromConcatenated(PcrSelection.Of(TpmAlgorithm.Sha256, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), Joined(TpmAlgorithm.Sha256, 10)).Value;

        Assert.Equal("9f5dae3e3256b8729b8470ef0aa3a5517128a6c5", Convert.ToHexStringLower(BootAggregate.Of(TpmAlgorithm.Sha1, sha1)!));
        Assert.Equal("489b071c954dad3b7d916a52d6d89ff1b605536aea9fc0015a4a16030f13fad7", Convert.ToHexStringLower(BootAggregate.Of(TpmAlgorithm.Sha256, sha256)!));
        Assert.Null(BootAggregate.Of(TpmAlgorithm.Sha256, sha1));
    }

    [Fact]
    public void Verify_WeakBankOrPcr10NotQuotedOrEmpty_IsRefused()
    {
        var list = ImaBench.List(s_entries);

        Assert.Equal(TpmRefusalCode.WeakHash, ImaReplay.Verify(list, 0, ImaBench.Quote(ImaBench.Pcr(s_entries)), TpmAlgorithm.Sha1).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.SelectionLacksPcr, Refused(list, 0, ImaBench.Quote(PcrSelection.Of(TpmAlgorithm.Sha256, 0), new byte[32])));
        Assert.Equal(TpmRefusalCode.SelectionLacksPcr,
            ImaReplay.Verify(list, 0, ImaBench.Quote(ImaBench.Pcr(s_entries)), TpmAlgorithm.Sha384).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.ListNotReplayed, Refused(list, 0, ImaBench.Quote(new byte[32])));
    }

    private static TpmResult<ImaList> Parse(string file, byte[] bytes) =>
        file.EndsWith("txt", StringComparison.Ordinal) ? ImaList.ParseText(bytes) : ImaList.ParseBinary(bytes);

    private static bool Accepts(string file, byte[] bytes, VerifiedQuote quote) =>
        Parse(file, bytes).TryGet(out var list, out _) && ImaReplay.Verify(list, 0, quote, TpmAlgorithm.Sha256).IsAccepted;

    private static TpmRefusalCode? Refused(ImaList list, int first, VerifiedQuote quote, ImaState? known = null) =>
        ImaReplay.Verify(list, first, quote, TpmAlgorithm.Sha256, known).Refusal?.Code;

    private static byte[] Join(string[] lines) => System.Text.Encoding.ASCII.GetBytes(string.Concat(lines.Select(line => line + "\n")));
}
