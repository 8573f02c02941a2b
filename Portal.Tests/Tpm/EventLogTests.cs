using System.Buffers.Binary;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class EventLogTests
{
    [Theory]
    [InlineData(1, TpmAlgorithm.Sha256)]
    [InlineData(1, TpmAlgorithm.Sha1)]
    [InlineData(2, TpmAlgorithm.Sha256)]
    [InlineData(2, TpmAlgorithm.Sha1)]
    public void Replay_VirtualMachineLog_GivesThePcrsOfTheTpm(int boot, TpmAlgorithm bank)
    {
        var replayed = EventLog.Parse(Fixture.VmLog(boot)).Value.Replay(bank).Value;
        var read = Fixture.VmPcrs(boot);

        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 9], replayed.Pcrs);
        Assert.All(replayed.Pcrs, pcr => Assert.Equal(read[(bank, pcr)], Convert.ToHexString(replayed.Get(pcr)!)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Replay_VirtualMachineLog_EqualsTheQuotedValues(int boot)
    {
        var quoted = Fixture.Quote($"vm-boot{boot}").Check().Value.Values.Bank(TpmAlgorithm.Sha256)!;
        var replayed = EventLog.Parse(Fixture.VmLog(boot)).Value.Replay(TpmAlgorithm.Sha256).Value;

        Assert.All(replayed.Pcrs.Where(quoted.Contains), pcr => Assert.Equal(quoted.Get(pcr), replayed.Get(pcr)));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 9], replayed.Pcrs.Where(quoted.Contains));
    }

    // The values were computed independently by tpm2_eventlog 5.4, which is right on logs without StartupLocality.
    [Theory]
    [InlineData("rhel8-uefi.bin", TpmAlgorithm.Sha256, 4, "758a3d35f1b0ff5b135dacd07db0c8132c0ac665d944090d4bf96e66447a245c")]
    [InlineData("rhel8-uefi.bin", TpmAlgorithm.Sha256, 8, "25c3874041ebd4e9a21b6ed71b624a7bfa99907a8dcea7f129a4c64cbaf5829a")]
    [InlineData("rhel8-uefi.bin", TpmAlgorithm.Sha384, 14, "57fd21f31d9e28c4fbee7bafaaaa94bfb0c5b289dbb749fc15ab3503f1cc0ca3c2b23ac479a42bc70ae306eadac6693a")]
    [InlineData("arch-linux-workstation.bin", TpmAlgorithm.Sha256, 0, "758b773d94feabf52ef5a4c00a7ad2c80d8d6e6d9d58756150be9bc973da9087")]
    [InlineData("arch-linux-workstation.bin", TpmAlgorithm.Sha256, 7, "3b4a4db44b7a872524055364e62e897ae678e0d47ab0809f65c3a4ed77f66ab9")]
    [InlineData("debian-10.bin", TpmAlgorithm.Sha1, 4, "1eb30816474a3f144e99b24e4ad480b2e51fd9e1")]
    [InlineData("debian-10.bin", TpmAlgorithm.Sha1, 7, "9e6c57e850f371c2a7fe02bca552149363952318")]
    public void Replay_LogOfARealMachine_GivesTheKnownValue(string file, TpmAlgorithm bank, int pcr, string expected)
    {
        var replayed = EventLog.Parse(Fixture.Log(file)).Value.Replay(bank).Value;

        Assert.Equal(expected, Convert.ToHexStringLower(replayed.Get(pcr)!));
    }

    [Theory]
    [InlineData("rhel8-uefi.bin", TpmAlgorithm.Sha256)]
    [InlineData("rhel8-uefi.bin", TpmAlgorithm.Sha384)]
    [InlineData("arch-linux-workstation.bin", TpmAlgorithm.Sha256)]
    public void CheckMeasured_CompleteBank_HasNothingToSay(string file, TpmAlgorithm bank) =>
        Assert.Null(EventLog.Parse(Fixture.Log(file)).Value.CheckMeasured(bank));

    [Fact]
    public void CheckMeasured_LegacyLog_IsRefused()
    {
        var log = EventLog.Parse(Fixture.Log("debian-10.bin")).Value;

        Assert.True(log.IsLegacy);
        Assert.Equal(TpmRefusalCode.WeakHash, log.CheckMeasured(TpmAlgorithm.Sha1)?.Code);
        Assert.Equal(TpmRefusalCode.WeakHash, log.CheckMeasured(TpmAlgorithm.Sha256)?.Code);
    }

    [Fact]
    public void CheckMeasured_Sha1OrAbsentBank_IsRefused()
    {
        var log = EventLog.Parse(Fixture.VmLog(1)).Value;

        Assert.Equal(TpmRefusalCode.WeakHash, log.CheckMeasured(TpmAlgorithm.Sha1)?.Code);
        Assert.Equal(TpmRefusalCode.BankAbsent, log.CheckMeasured(TpmAlgorithm.Sha384)?.Code);
        Assert.Equal(TpmRefusalCode.BankAbsent, log.Replay(TpmAlgorithm.Sha384).Refusal?.Code);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(7)]
    public void CheckMeasured_SeparatorOfAPcrGone_IsRefusedByName(int pcr)
    {
        var log = new LogWriter(TpmAlgorithm.Sha256);
        foreach (var other in Enumerable.Range(0, 8).Where(other => other != pcr))
            log.Measure(other, EventType.Separator, [0, 0, 0, 0]);

        var refusal = log.Parse().CheckMeasured(TpmAlgorithm.Sha256);

        Assert.Equal(TpmRefusalCode.SeparatorMissing, refusal?.Code);
        Assert.Contains($"PCR {pcr}.", refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CheckMeasured_EventThatOnlyCallsItselfSeparator_IsRefused()
    {
        var log = new LogWriter(TpmAlgorithm.Sha256);
        for (var pcr = 0; pcr < 8; pcr++)
            log.Measure(pcr, EventType.Separator, pcr == 5 ? [1, 0, 0, 0] : [0xFF, 0xFF, 0xFF, 0xFF]);

        Assert.Equal(TpmRefusalCode.SeparatorMissing, log.Parse().CheckMeasured(TpmAlgorithm.Sha256)?.Code);
    }

    [Fact]
    public void Replay_BankMissingInOneEvent_IsRefusedForThatBankOnly()
    {
        var log = new LogWriter(TpmAlgorithm.Sha256, TpmAlgorithm.Sha384)
            .Measure(0, EventType.PostCode, [1])
            .Measure(1, EventType.PostCode, [2], TpmAlgorithm.Sha256)
            .Parse();

        Assert.True(log.Replay(TpmAlgorithm.Sha256).IsAccepted);
        Assert.Equal(TpmRefusalCode.BankIncomplete, log.Replay(TpmAlgorithm.Sha384).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.BankIncomplete, log.CheckMeasured(TpmAlgorithm.Sha384)?.Code);
    }

    [Fact]
    public void Replay_StartupLocality3_StartsPcr0There()
    {
        var log = EventLog.Parse(WithLocality(Fixture.VmLog(1), 3)).Value;

        var pcr0 = log.Replay(TpmAlgorithm.Sha256).Value.Get(0)!;

        Assert.Equal(3, log.StartupLocality);
        Assert.StartsWith("a3b4e2bc", Convert.ToHexStringLower(pcr0), StringComparison.Ordinal);
    }

    [Fact]
    public void Replay_NoteWithADigest_IsNeverExtended()
    {
        var without = new LogWriter(TpmAlgorithm.Sha256).Measure(0, EventType.PostCode, [1]);
        var with = new LogWriter(TpmAlgorithm.Sha256).Measure(0, EventType.PostCode, [1]).Measure(0, EventType.NoAction, [2]);

        Assert.Equal(
            without.Parse().Replay(TpmAlgorithm.Sha256).Value.Get(0),
            with.Parse().Replay(TpmAlgorithm.Sha256).Value.Get(0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(255)]
    public void Parse_LocalityThatDoesNotExist_IsRefused(byte locality) =>
        Assert.Equal(TpmRefusalCode.Malformed, EventLog.Parse(WithLocality(Fixture.VmLog(1), locality)).Refusal?.Code);

    [Fact]
    public void Parse_LocalityTwiceOrAfterPcr0WasExtended_IsRefused()
    {
        byte[] locality = [.. "StartupLocality\0"u8, 3];
        var twice = new LogWriter(TpmAlgorithm.Sha256).Measure(0, EventType.NoAction, locality).Measure(0, EventType.NoAction, locality);
        var late = new LogWriter(TpmAlgorithm.Sha256).Measure(0, EventType.PostCode, [1]).Measure(0, EventType.NoAction, locality);

        Assert.Equal(TpmRefusalCode.Malformed, EventLog.Parse(twice.Bytes()).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.Malformed, EventLog.Parse(late.Bytes()).Refusal?.Code);
    }

    [Theory]
    [InlineData("vm")]
    [InlineData("rhel8-uefi.bin")]
    [InlineData("debian-10.bin")]
    public void Parse_CutBetweenEvents_IsShorterAndElsewhereRefused(string file)
    {
        var bytes = file == "vm" ? Fixture.VmLog(1) : Fixture.Log(file);
        var whole = EventLog.Parse(bytes).Value;
        var accepted = 0;

        for (var length = 0; length < bytes.Length; length += bytes.Length > 10_000 ? 7 : 1)
        {
            var cut = EventLog.Parse(bytes.AsSpan(0, length));
            accepted += cut.IsAccepted ? 1 : 0;
            Assert.True(!cut.IsAccepted || cut.Value.Entries.Length < whole.Entries.Length, $"{length} bytes");
        }

        Assert.InRange(accepted, 0, whole.Entries.Length - 1);
    }

    [Fact]
    public void Parse_LengthsBeyondTheLog_AreRefusedAtOnce()
    {
        var header = new LogWriter(TpmAlgorithm.Sha256).Bytes();
        byte[] event2 = [0, 0, 0, 0, 1, 0, 0, 0];

        Assert.Equal(TpmRefusalCode.TooLarge, EventLog.Parse([.. header, .. event2, 0xFF, 0xFF, 0xFF, 0xFF]).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.Truncated, EventLog.Parse([.. header, .. event2, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.Truncated, EventLog.Parse([.. header, .. event2, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F]).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.Malformed, EventLog.Parse([.. header, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.NothingGiven, EventLog.Parse([]).Refusal?.Code);
    }

    [Fact]
    public void Parse_MoreThanTheLimits_IsRefused()
    {
        var header = new LogWriter(TpmAlgorithm.Sha256).Bytes();
        var empty = new byte[] { 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
        var many = new byte[header.Length + empty.Length * 100_000];
        header.CopyTo(many, 0);
        for (var i = header.Length; i < many.Length; i += empty.Length)
            empty.CopyTo(many, i);

        Assert.Equal(TpmRefusalCode.TooLarge, EventLog.Parse(many).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.TooLarge, EventLog.Parse(new byte[16 * 1024 * 1024 + 1]).Refusal?.Code);
    }

    [Theory]
    [InlineData(28, 0u)]
    [InlineData(28, 17u)]
    [InlineData(28, uint.MaxValue)]
    public void Parse_AbsurdBankCount_IsRefused(int offsetInHeaderData, uint count)
    {
        var bytes = Fixture.VmLog(1);
        const int headerData = 32;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(headerData + offsetInHeaderData - 4), count);

        Assert.Equal(TpmRefusalCode.TooLarge, EventLog.Parse(bytes).Refusal?.Code);
    }

    private static byte[] WithLocality(byte[] log, byte locality)
    {
        var headerEnd = 32 + (int)BinaryPrimitives.ReadUInt32LittleEndian(log.AsSpan(28));
        var note = new LogWriter(TpmAlgorithm.Sha1, TpmAlgorithm.Sha256).Measure(0, EventType.NoAction, [.. "StartupLocality\0"u8, locality]);
        return [.. log[..headerEnd], .. note.Events(), .. log[headerEnd..]];
    }
}
