using CsCheck;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>
/// Bytes nobody's TPM wrote: every parser gives a value or a refusal, never an exception, and takes memory by what it was given.
/// PORTAL_FUZZ_ITERATIONS sets how many; a failure prints the seed that repeats it.
/// </summary>
public sealed class FuzzTests
{
    private static readonly int s_iterations = Mutations.Iterations;

    private static readonly byte[][] s_structures =
    [
        .. new[]
        {
            "ak-rsa.pub", "ak-ecc.tpmt", "ek-rsa.pub", "vm-ovmf-boot1/ek.pub", "q-rsa-sha256.msg", "q-rsa-sha1.msg", "q-ecc-sha256.sig", "q-rsa-sha256.sig",
            "q-rsa-sha256.pcrs.serialized", "vm-ovmf-boot1/q.msg", "vm-ovmf-boot1/q.pcrs",
        }.Select(Fixture.Tpm),
    ];

    private static readonly byte[][] s_certificates =
        [Fixture.Tpm("ekcert-rsa.der"), Fixture.Tpm("ekcert-ecc384.der"), Fixture.Tpm("vm-ovmf-boot1/ekcert.der"), Fixture.Tpm("platformcert.der")];

    private static readonly byte[][] s_lists =
    [
        Fixture.Tpm("vm-ovmf-boot1/ima.bin"), Fixture.Tpm("vm-ovmf-boot1/ima.txt"), Fixture.Tpm("vm-ovmf-boot2/ima-after.bin"), Fixture.Tpm("vm-ovmf-boot2/ima-after.txt"),
    ];

    private static readonly byte[][] s_logs =
        [Fixture.VmLog(1), Fixture.Log("rhel8-uefi.bin"), Fixture.Log("arch-linux-workstation.bin"), Fixture.Log("debian-10.bin")];

    private static readonly EndorsementKey s_endorsement = EndorsementKey.Accept(Fixture.Tpm("vm-ovmf-boot1/ek.pub")).Value;

    private static readonly VerifiedQuote s_quote = Fixture.Quote("vm-boot2").Check().Value;

    private static readonly ImaReference s_reference =
        ImaReference.Create(new Dictionary<string, IReadOnlyCollection<string>>(StringComparer.Ordinal), [], [".*bin.*", "(a|b)*c"]).Value;

    private static readonly EndorsementAuthorities s_nobody = EndorsementAuthorities.FromPem("", "").Value;

    [Fact]
    public void Structures_Noise_GiveAValueOrARefusal() => Mutations.Noise.Sample(Mutations.Bounded(ReadStructures), iter: s_iterations);

    [Fact]
    public void Structures_MutatedRecordings_GiveAValueOrARefusal() => Mutations.Of(s_structures).Sample(Mutations.Bounded(ReadStructures), iter: s_iterations);

    [Fact]
    public void Structures_CutAnywhere_GiveAValueOrARefusal() => Mutations.EveryCut(s_structures, ReadStructures);

    [Fact]
    public void Certificates_NoiseCutsAndMutations_GiveAValueOrARefusal()
    {
        Mutations.NoiseCutsAndMutations(s_certificates, ReadCertificate);
    }

    [Fact]
    public void ImaLists_NoiseCutsAndMutations_GiveAValueOrARefusal()
    {
        Mutations.NoiseCutsAndMutations(s_lists, ReadList);
    }

    [Fact]
    public void EventLog_Noise_GivesAValueOrARefusal() => Mutations.Noise.Sample(Mutations.Bounded(ReadLog), iter: s_iterations);

    [Fact]
    public void EventLog_MutatedRecordings_GiveAValueOrARefusal() => Mutations.Of(s_logs).Sample(Mutations.Bounded(ReadLog), iter: s_iterations / 3);

    [Fact]
    public void EventDescription_NoiseOfEveryType_IsShortAndSafe() =>
        Gen.Select(Gen.Enum<EventType>(), Mutations.Noise).Sample((type, data) =>
        {
            var log = new LogWriter(TpmAlgorithm.Sha256).Measure(1, type, data).Parse();
            EventDescriptionTests.AssertSafe(log.Entries[1].Describe(TpmAlgorithm.Sha256));
        }, iter: s_iterations);

    [Fact]
    public void EventDescription_MutatedRecordings_IsShortAndSafe()
    {
        var events = s_logs.SelectMany(log => EventLog.Parse(log).Value.Entries).Select(entry => (entry.Type, entry.Data)).ToArray();
        Gen.Select(Gen.OneOf(events), Mutations.Edits).Sample((recorded, edits) =>
        {
            var log = new LogWriter(TpmAlgorithm.Sha256).Measure(1, recorded.Type, Mutations.Edited(recorded.Data.ToArray(), edits)).Parse();
            EventDescriptionTests.AssertSafe(log.Entries[1].Describe(TpmAlgorithm.Sha256));
        }, iter: s_iterations);
    }

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    public void QuoteCheck_MutatedRecording_IsNeverAccepted(string name)
    {
        var recorded = Fixture.Quote(name);
        using var key = AttestationKey.Accept(recorded.Key).Value;
        Gen.Select(Mutations.Of([recorded.Message]), Mutations.Of([recorded.Signature])).Sample((message, signature) =>
        {
            var check = (recorded with { Message = message, Signature = signature }).Check(key);
            var same = message.AsSpan().SequenceEqual(recorded.Message) && SameSignature(signature, recorded.Signature);
            Assert.Equal(same, check.IsAccepted);
        }, iter: s_iterations);
    }

    [Fact]
    public void PcrSelection_Written_IsReadBack() =>
        Gen.Select(Gen.OneOf(TpmAlgorithm.Sha1, TpmAlgorithm.Sha256, TpmAlgorithm.Sha384, TpmAlgorithm.Sha512), Gen.Int[0, 23].Array[0, 24])
            .Array[0, 4].Sample(banks =>
            {
                var selection = banks.Aggregate(PcrSelection.Empty, (sum, bank) => sum.With(bank.Item1, bank.Item2));
                Assert.Equal(selection, PcrSelection.Parse(SoftwareTpm.Selection(selection)).Value);
            }, iter: s_iterations);

    [Fact]
    public void Replay_AnyEvents_EqualsTheChainOfHashes() =>
        Gen.Select(Gen.Int[0, 23], Gen.Byte.Array[0, 40]).Array[0, 60].Sample(events =>
        {
            var log = new LogWriter(TpmAlgorithm.Sha256, TpmAlgorithm.Sha384);
            var expected = new Dictionary<int, byte[]>();
            foreach (var (pcr, data) in events)
            {
                log.Measure(pcr, EventType.PostCode, data);
                var old = expected.GetValueOrDefault(pcr, new byte[48]);
                expected[pcr] = System.Security.Cryptography.SHA384.HashData([.. old, .. System.Security.Cryptography.SHA384.HashData(data)]);
            }
            var replayed = log.Parse().Replay(TpmAlgorithm.Sha384).Value;
            Assert.Equal(expected.Keys.Order(), replayed.Pcrs);
            Assert.All(expected, pair => Assert.Equal(pair.Value, replayed.Get(pair.Key)));
        }, iter: s_iterations / 5);

    private static void ReadStructures(byte[] bytes)
    {
        AssertAnswered(TpmsAttest.Parse(bytes));
        AssertAnswered(TpmtSignature.Parse(bytes));
        AssertAnswered(PcrSelection.Parse(bytes));
        AssertAnswered(SerializedPcrs.Parse(bytes));
        AssertAnswered(PcrValues.FromConcatenated(Fixture.Recorded(TpmAlgorithm.Sha256), bytes));
        var area = TpmtPublic.Parse(bytes);
        AssertAnswered(area);
        if (area.IsAccepted)
            Assert.Equal(2 + area.Value.NameAlgorithm.DigestSize(), area.Value.ComputeName().Length);
        var key = AttestationKey.Accept(bytes);
        AssertAnswered(key);
        if (key.IsAccepted)
            key.Value.Dispose();
        AssertAnswered(EndorsementKey.Accept(bytes));
    }

    private static void ReadCertificate(byte[] bytes)
    {
        var read = EndorsementCertificate.Parse(bytes);
        AssertAnswered(read);
        AssertAnswered(EndorsementCertificate.ParseBase64(Convert.ToBase64String(bytes)));
        if (!read.IsAccepted)
            return;
        Assert.InRange($"{read.Value.Tpm}".Length, 0, 400);
        read.Value.Certifies(s_endorsement);
        // No fixture's issuer is believed here, so nothing of them can become valid.
        var verdict = EndorsementCheck.Check(bytes, s_endorsement, s_nobody, TimeProvider.System).Verdict;
        Assert.False(verdict is EndorsementVerdict.Valid or EndorsementVerdict.VirtualTpm, $"{verdict}");
    }

    private static void ReadList(byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var lists = new[] { ImaList.ParseBinary(bytes), ImaList.ParseText(bytes) };
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 * 1024 + 8L * bytes.Length);
        foreach (var parsed in lists)
        {
            AssertAnswered(parsed);
            if (!parsed.TryGet(out var list, out _))
                continue;
            AssertAnswered(ImaReplay.Verify(list, 0, s_quote, TpmAlgorithm.Sha256));
            // Whatever stands in a list is compared without trouble, and told safely.
            var appraisal = ImaAppraisal.Of(new(list, 0, list.Count, new(0, 0, TpmAlgorithm.Sha256, list.Count, default), null), s_reference);
            Assert.Equal(list.Count, appraisal.Checked);
            Assert.InRange(appraisal.First?.Sentence.Length ?? 0, 0, 1000);
        }
    }

    private static void ReadLog(byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var parsed = EventLog.Parse(bytes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * 1024 + 48L * bytes.Length);
        AssertAnswered(parsed);
        if (!parsed.TryGet(out var log, out _))
            return;
        foreach (var bank in log.Banks)
        {
            AssertAnswered(log.Replay(bank.Algorithm));
            log.CheckMeasured(bank.Algorithm);
        }
        foreach (var entry in log.Entries.Take(200))
            EventDescriptionTests.AssertSafe(entry.Describe(log.Banks[0].Algorithm));
    }

    private static void AssertAnswered<T>(TpmResult<T> result)
        where T : class
    {
        Assert.NotEqual(result.IsAccepted, result.Refusal is not null);
        if (result.Refusal is { } refusal)
        {
            Assert.NotEmpty(refusal.Message);
            Assert.NotEmpty(refusal.Remedy);
        }
    }

    /// <summary>An ECDSA number may carry more or fewer zeros in front and stay the same number.</summary>
    private static bool SameSignature(byte[] bytes, byte[] recorded)
    {
        if (!TpmtSignature.Parse(bytes).TryGet(out var one, out _))
            return false;
        var other = TpmtSignature.Parse(recorded).Value;
        return one.Scheme == other.Scheme && one.Hash == other.Hash && one.Rsa.Span.SequenceEqual(other.Rsa.Span)
            && Number(one.R).SequenceEqual(Number(other.R)) && Number(one.S).SequenceEqual(Number(other.S));

        static ReadOnlySpan<byte> Number(ReadOnlyMemory<byte> bytes) => bytes.Span.TrimStart((byte)0);
    }
}
