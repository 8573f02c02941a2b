using Portal.Core.Attestation;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Inventory;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>Tags of failures in plain words.</summary>
public sealed class KeylimeWordsTests
{
    [Theory]
    [InlineData("pcr_validation.invalid_pcr_0", 0, BaselineKinds.Firmware, "platform-code not approved (PCR 0)")]
    [InlineData("pcr_validation.invalid_pcr_4", 4, BaselineKinds.Hypervisor, "boot-loader-code not approved (PCR 4)")]
    [InlineData("measured_boot.invalid_pcr_7", 7, BaselineKinds.Firmware, "secure-boot-policy not approved (PCR 7)")]
    [InlineData("ima.validation.ima-ng.not_in_allowlist", 10, BaselineKinds.Runtime, "file not approved")]
    [InlineData("ima.pcr_mismatch", 10, BaselineKinds.Runtime, "files not approved")]
    [InlineData("measured_boot.policy.rejected", null, BaselineKinds.Hypervisor, "boot not approved")]
    [InlineData("pcr_validation.missing_pcrs", null, BaselineKinds.None, "quote lacks PCRs")]
    [InlineData("qoute_validation.quote_validation", null, BaselineKinds.None, "quote not valid")]
    [InlineData("qoute_validation.no_pubkey", null, BaselineKinds.None, "quote not valid")]
    [InlineData("qoute_validation.invalid_hash_alg", null, BaselineKinds.None, "hash not accepted")]
    [InlineData("tee_attestation.whatever", null, BaselineKinds.None, "Keylime found a mismatch")]
    [InlineData("pcr_validation.invalid_pcr_99", null, BaselineKinds.None, "Keylime found a mismatch")]
    [InlineData("pcr_validation.invalid_pcr_", null, BaselineKinds.None, "Keylime found a mismatch")]
    [InlineData("", null, BaselineKinds.None, "Keylime found a mismatch")]
    [InlineData(null, null, BaselineKinds.None, "Keylime found a mismatch")]
    public void ATag_IsSaidInWords(string? tag, int? pcr, BaselineKinds kind, string few)
    {
        var finding = KeylimeWords.Mismatch(tag);

        Assert.Equal((FindingCode.ServerFoundMismatch, pcr, kind, few), (finding.Code, finding.Pcr, finding.Kind, finding.Short));
        Assert.NotEmpty(finding.Remedy);
    }

    [Fact]
    public void AnUnsafeShutdown_IsTheFirstThingToLookAt() =>
        Assert.StartsWith("If the host lost power without shutting its TPM down", KeylimeWords.Mismatch("qoute_validation.quote_validation").Remedy, StringComparison.Ordinal);

    [Fact]
    public void ATagFullOfTricks_IsMadeHarmlessAndBounded()
    {
        var sentence = KeylimeWords.Mismatch("default.\u001b]0;\u202e" + new string('x', 5000)).Sentence;

        Assert.DoesNotContain('\u001b', sentence);
        Assert.DoesNotContain('\u202e', sentence);
        Assert.True(sentence.Length < 200);
    }
}
