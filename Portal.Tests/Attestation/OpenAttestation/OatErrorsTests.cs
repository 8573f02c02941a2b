using Portal.Core.Attestation.OpenAttestation;
using Portal.Core.Attestation.Outside;

namespace Portal.Tests.Attestation.OpenAttestation;

/// <summary>Error codes of both dialects as sentences with something to do.</summary>
public sealed class OatErrorsTests
{
    private const bool First = true;
    private const bool Second = false;

    [Theory]
    [InlineData(Second, 400, "AS_HOST_NOT_FOUND", "Host 'x' not found.", "knows no host of this name", "Register the host")]
    [InlineData(Second, 400, "1003", "", "knows no host of this name", "Register the host")]
    [InlineData(Second, 400, "AS_BIOS_INCORRECT", "", "does not have the white list this host shall have", "Publish the cluster's baselines")]
    [InlineData(Second, 400, "1004", "", "does not have the white list this host shall have", "Publish the cluster's baselines")]
    [InlineData(Second, 400, "AS_IPADDRESS_EXISTS", "", "is registered on oat already", "Look at its list of hosts")]
    [InlineData(Second, 400, "1006", "", "is registered on oat already", "Look at its list of hosts")]
    [InlineData(Second, 400, "AS_MISSING_MANIFEST", "", "white list on oat holds nothing", "complete the white list")]
    [InlineData(Second, 400, "1007", "", "white list on oat holds nothing", "complete the white list")]
    [InlineData(Second, 400, "AS_QUOTE_VERIFY_COMMAND_FAILED", "", "could not verify the host's quote", "treat the host as untrusted")]
    [InlineData(Second, 400, "AS_TRUST_AGENT_CONNNECT_TIMED_OUT", "", "agent does not answer oat", "the host is up")]
    [InlineData(Second, 400, "1011", "", "agent does not answer oat", "the host is up")]
    [InlineData(Second, 400, "AS_INTEL_TXT_NOT_ENABLED", "", "gave oat no measurement", "Turn on TPM")]
    [InlineData(Second, 400, "1028", "", "leads to another address", "name server")]
    [InlineData(Second, 400, "WS_OEM_ALREADY_EXISTS", "", "of this name already", "Remove or rename")]
    [InlineData(Second, 400, "WS_MLE_DOES_NOT_EXIST", "", "no such white list", "publishing makes it again")]
    [InlineData(Second, 400, "2010", "", "still uses it", "another white list first")]
    [InlineData(Second, 400, "WS_MLE_ASSOCIATION_EXISTS", "", "still uses it", "another white list first")]
    [InlineData(Second, 400, "WS_MLE_PCR_NOT_VALID", "", "does not take one of the values", "at most 50 characters")]
    [InlineData(Second, 400, "TLS_COMMUNICATION_ERROR", "", "TLS between oat and the host's agent failed", "certificate")]
    [InlineData(Second, 400, "SOMETHING_NEW", "who knows", "oat failed", "log")]
    [InlineData(First, 400, "1006", "Data Error - OEM x already exists in the database", "of this name already", "Remove or rename")]
    [InlineData(First, 400, "1006", "Data Error - OS x does not exist in the database", "no such white list", "publishing makes it again")]
    [InlineData(First, 400, "1006", "Data Error - bad MLE_Type", "does not take one of the values", "at most 50 characters")]
    [InlineData(First, 400, "1007", "not found", "no such white list", "publishing makes it again")]
    [InlineData(First, 400, "2000", "Data Error - HOST x does not exist in the database", "knows no host of this name", "Register the host")]
    [InlineData(First, 404, "404", "host Index:x doesn't exist in DB.", "knows no host of this name", "Register the host")]
    [InlineData(First, 400, "2001", "Data Error - HOST x already exists in the database", "is registered on oat already", "Look at its list of hosts")]
    [InlineData(First, 400, "2001", "proper BIOS  or OEM  is not chosen", "does not have the white list this host shall have", "Publish the cluster's baselines")]
    [InlineData(First, 400, "2012", "", "still uses it", "another white list first")]
    [InlineData(First, 500, "500", "Possible solution: The specified MLE has a reference with HOST", "still uses it", "another white list first")]
    [InlineData(First, 500, "500", "too long", "does not take one of the values", "at most 50 characters")]
    [InlineData(First, 400, "412", "", "does not take one of the values", "at most 50 characters")]
    [InlineData(First, 500, "AttestationServersFault", "the appraiser is away", "oat failed", "log")]
    public void Code_BecomesASentenceAndSomethingToDo(bool first, int status, string code, string message, string sentence, string remedy)
    {
        var fault = OatErrors.Explain(first ? OatDialect.First : OatDialect.Second, new OatFault(status, code, message), "oat");

        Assert.Equal(ServerFault.Failed, fault.Fault);
        Assert.Contains(sentence, fault.Message, StringComparison.Ordinal);
        Assert.Contains(code, fault.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, fault.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void SameNumber_MeansAnotherThingInEachDialect() =>
        Assert.NotEqual(OatErrors.Of(OatDialect.First, new(400, "1006", "MLE already exists")), OatErrors.Of(OatDialect.Second, new(400, "1006", "MLE already exists")));

    [Fact]
    public void EveryMeaning_HasASentenceAndSomethingToDo() =>
        Assert.All(Enum.GetValues<OatMeaning>(), meaning =>
        {
            var (sentence, remedy) = OatErrors.Words(meaning, "oat");
            Assert.Contains("oat", sentence, StringComparison.Ordinal);
            Assert.EndsWith(".", remedy, StringComparison.Ordinal);
        });

    [Fact]
    public void ServersOwnText_IsMadeHarmlessAndBounded()
    {
        var said = OatErrors.Said(new OatFault(400, "1006", $"one\ntwo\u202e{new string('x', 5000)}"));
        Assert.DoesNotContain('\n', said);
        Assert.DoesNotContain('\u202e', said);
        Assert.InRange(said.Length, 1, 400);
        Assert.Equal(" (HTTP 503)", OatErrors.Said(new OatFault(503, "", "")));
    }
}
