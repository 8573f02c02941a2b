using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Attestation;

/// <summary>A host whose kernel measures next to nothing is not trusted for it.</summary>
public sealed class RuntimeStandingTests
{
    private static readonly Measured File = Measured.File("/sbin/init", 1);

    [Fact]
    public void Appraise_KernelMeasuredAnApprovedFile_Trusted() => Assert.Equal(Verdict.Trusted, Appraise([ImaBench.Aggregate(), File]).Verdict);

    [Fact]
    public void Appraise_KernelMeasuredNothingBehindTheBootAggregate_UntrustedAndSaysSo() =>
        Assert.Equal((Verdict.Untrusted, "its kernel measured no files"), Told(Appraise([ImaBench.Aggregate()])));

    [Fact]
    public void Appraise_AnotherKernelStartedAndMeasuredNothingEither_Untrusted() =>
        Assert.Equal((Verdict.Untrusted, "its kernel measured no files"), Told(Appraise([ImaBench.Aggregate(), ImaBench.Aggregate()])));

    [Fact]
    public void Appraise_OnlyWhatTheBaselineLeavesOutWasMeasured_Untrusted() =>
        Assert.Equal((Verdict.Untrusted, "its kernel measured no files"), Told(Appraise([ImaBench.Aggregate(), Measured.File("/tmp/a", 7)])));

    private static (Verdict Verdict, string Reason) Told(Appraisal appraisal) => (appraisal.Verdict, appraisal.Reason);

    private static Appraisal Appraise(Measured[] entries)
    {
        var quote = ImaBench.Quote(ImaBench.Pcr(entries));
        var verified = ImaReplay.Verify(ImaBench.List(entries), 0, quote, TpmAlgorithm.Sha256).Value;
        var files = new RuntimeReference([new FileReference("/sbin/init", ["sha256:" + string.Concat(Enumerable.Repeat("01", 32))])], [], ["/tmp/"]);
        var revision = new ApprovedRevision(Guid.CreateVersion7(), Guid.CreateVersion7(), "runtime", 1, BaselineKinds.Runtime, BaselineContent.Empty with { Runtime = files });
        var evidence = new CheckedEvidence(quote.Attest, quote.Values.Bank(TpmAlgorithm.Sha256)!, null, 0, []) { Runtime = RuntimeEvidence.Of(verified, null) };
        return Appraiser.Appraise(evidence, new ApprovedSet(Guid.CreateVersion7(), 1, BaselineKinds.Runtime, [revision]));
    }
}
