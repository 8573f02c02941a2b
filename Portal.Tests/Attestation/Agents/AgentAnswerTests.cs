using System.Text;
using System.Text.Json.Nodes;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;


namespace Portal.Tests.Attestation.Agents;

/// <summary>What a running keylime agent answered, read and checked as a quote of a host.</summary>
public sealed class AgentAnswerTests
{
    private const string Nonce = "1234567890ABCDEFHIJK";
    private static readonly byte[] Recorded = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Keylime", "agent_quote_integrity.json"));

    [Fact]
    public void RecordedAnswer_IsEvidenceThatPassesEveryCheck()
    {
        var (evidence, fault) = AgentAnswer.Read(Recorded, TpmAlgorithm.Sha256);
        Assert.Null(fault);
        using var key = AttestationKey.Accept(Convert.FromBase64String(Portal.Tests.Attestation.Registration.Recorded.Registration()["aik_tpm"]!.GetValue<string>())).Value;
        var nonce = NonceIn(evidence!);

        var (valid, failure) = EvidenceCheck.Check(key, evidence!, nonce, new QuoteRequest(nonce, evidence!.Bank, [.. evidence.Pcrs.Keys.Order()], WithEventLog: false));

        Assert.Null(failure);
        Assert.Equal(Nonce, nonce);
        Assert.Equal(evidence.Pcrs.Keys.Order(), valid!.Bank.Pcrs);
        Assert.True(valid.Bank.Contains(AgentAnswer.OwnKeyPcr));
    }

    [Theory]
    [InlineData("quote", "x", "its quote does not have three parts")]
    [InlineData("quote", "r::", "its quote is not base64")]
    [InlineData("quote", null, "its quote does not have three parts")]
    [InlineData("pubkey", "another key", "its own key is not the one measured into PCR 16")]
    [InlineData("mb_measurement_list", "%", "its event log is not base64")]
    public void AnswerWithAWrongPart_IsNoEvidence(string member, string? value, string sentence)
    {
        var document = JsonNode.Parse(Recorded)!;
        document["results"]![member] = value;

        var (evidence, fault) = AgentAnswer.Read(Encoding.UTF8.GetBytes(document.ToJsonString()), TpmAlgorithm.Sha256);

        Assert.Equal((null, sentence), (evidence, fault));
    }

    [Theory]
    [InlineData("quote")]
    [InlineData("pubkey")]
    [InlineData("mb_measurement_list")]
    public void AnswerWithHalfACharacter_IsNoEvidenceAndNoCrash(string member)
    {
        var document = JsonNode.Parse(Recorded)!;
        document["results"]![member] = "rHALF";

        var (evidence, fault) = AgentAnswer.Read(Encoding.UTF8.GetBytes(document.ToJsonString().Replace("HALF", "\\ud800", StringComparison.Ordinal)), TpmAlgorithm.Sha256);

        Assert.Equal((null, "it is not JSON"), (evidence, fault));
    }

    [Fact]
    public void AnswerInAnotherBank_IsNoEvidence() =>
        Assert.Equal((null, "its PCR values are not those of sha384 alone"), AgentAnswer.Read(Recorded, TpmAlgorithm.Sha384));

    [Fact]
    public void AnswerCutAnywhere_IsNoEvidenceAndNoCrash()
    {
        for (var length = 0; length < Recorded.Length - 1; length++)
        {
            Assert.NotNull(AgentAnswer.Read(Recorded.AsMemory(0, length), TpmAlgorithm.Sha256).Fault);
        }
    }

    [Theory]
    [InlineData("{\"results\":{\"supported_version\":\"2.2\"}}", 2)]
    [InlineData("{\"results\":{\"current_version\":\"2.9\",\"supported_versions\":[\"2.1\",\"2.4\",\"2.9\",\"3.0\"]}}", 4)]
    [InlineData("{\"results\":{\"supported_version\":\"3.0\"}}", null)]
    [InlineData("{\"results\":{\"supported_versions\":[6,null,\"2.60\"]}}", null)]
    [InlineData("{\"results\":[]}", null)]
    [InlineData("[]", null)]
    [InlineData("nonsense", null)]
    public void Version_IsTheNewestBothSpeak(string body, int? minor) => Assert.Equal(minor, KeylimeAgentChannel.VersionIn(Encoding.UTF8.GetBytes(body)));

    private static string NonceIn(Evidence evidence) => Encoding.ASCII.GetString(TpmsAttest.Parse(evidence.Quote).Value.ExtraData.Span);

    [Fact]
    public void Read_NoiseCutsAndMutations_GiveEvidenceOrAFault()
    {
        var withList = JsonNode.Parse(Recorded)!;
        (withList["results"]!["ima_measurement_list"], withList["results"]!["ima_measurement_list_entry"]) = (Encoding.UTF8.GetString(Fixture.Tpm("vm-ovmf-boot1/ima.txt")), 3);
        byte[][] answers = [Recorded, Encoding.UTF8.GetBytes(withList.ToJsonString()), "{\"results\":{\"supported_version\":\"2.2\"}}"u8.ToArray()];

        Mutations.NoiseCutsAndMutations(answers, body =>
        {
            var (evidence, fault) = AgentAnswer.Read(body, TpmAlgorithm.Sha256);
            Assert.NotEqual(evidence is null, fault is null);
            KeylimeAgentChannel.VersionIn(body);
        });
    }

    [Fact]
    public void Read_WithAMeasurementList_KeepsItAsItCame()
    {
        var answer = JsonNode.Parse(Recorded)!;
        (answer["results"]!["ima_measurement_list"], answer["results"]!["ima_measurement_list_entry"]) = ("10 aa ima-ng\n", 7);

        var sent = AgentAnswer.Read(Encoding.UTF8.GetBytes(answer.ToJsonString()), TpmAlgorithm.Sha256).Evidence!.Measurements!;

        Assert.Equal((7, "10 aa ima-ng\n"), (sent.First, Encoding.UTF8.GetString(sent.Text)));
        Assert.Null(AgentAnswer.Read(Recorded, TpmAlgorithm.Sha256).Evidence!.Measurements);
    }
}
