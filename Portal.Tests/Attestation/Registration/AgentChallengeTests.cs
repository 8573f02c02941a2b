using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Portal.Core;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Attestation.Registration;

public sealed class AgentChallengeTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Challenge_AnsweredAsAnAgentDoes_IsOpened(bool isRsa)
    {
        using var tpm = isRsa ? SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128) : SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP384, TpmAlgorithm.Sha384, 256);
        var registration = Registration(tpm);
        var challenge = AgentChallenge.For(registration);
        using var key = AttestationKey.Accept(registration.AttestationArea.Span).Value;

        // The agent reads the blob out of the answer, has its TPM open it, and keys the HMAC with the secret's base64 text.
        var blob = Results(RegistrarAnswer.Registered(challenge))["blob"]!.GetValue<string>();
        var opened = tpm.Activate(Convert.FromBase64String(blob), key.Name.ToArray())!;
        var tag = HMACSHA384.HashData(Encoding.ASCII.GetBytes(Convert.ToBase64String(opened)), Encoding.ASCII.GetBytes(Recorded.AgentId));

        Assert.True(IsOpened(challenge, Recorded.AgentId, Convert.ToHexStringLower(tag)));
        Assert.True(IsOpened(challenge, Recorded.AgentId, Convert.ToHexString(tag)));
        Assert.False(IsOpened(challenge, "another-agent", Convert.ToHexStringLower(tag)));
        Assert.False(IsOpened(AgentChallenge.For(registration), Recorded.AgentId, Convert.ToHexStringLower(tag)));
        for (var at = 0; at < tag.Length; at++)
        {
            tag[at] ^= 1;
            Assert.False(IsOpened(challenge, Recorded.AgentId, Convert.ToHexStringLower(tag)));
            tag[at] ^= 1;
        }
    }

    [Fact]
    public void Challenge_KeyedWithTheSecretItself_IsNotOpened()
    {
        using var tpm = SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP256, TpmAlgorithm.Sha256, 128);
        var challenge = AgentChallenge.For(Registration(tpm));

        Assert.False(IsOpened(challenge, Recorded.AgentId,
            Convert.ToHexStringLower(HMACSHA384.HashData(challenge.Secret.Span, Encoding.ASCII.GetBytes(Recorded.AgentId)))));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"auth_tag\":null}")]
    [InlineData("{\"auth_tag\":5}")]
    [InlineData("{\"auth_tag\":\"\"}")]
    [InlineData("{\"auth_tag\":\"00\"}")]
    [InlineData("{\"auth_tag\":\"zz1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\"}")]
    public void Activation_NoTag_IsRefusedByName(string body) =>
        Assert.Equal("auth_tag", AgentActivation.Parse(Encoding.ASCII.GetBytes(body)).Refusal?.Field);

    [Fact]
    public void Answers_HaveTheShapeOfKeylimes()
    {
        var version = JsonNode.Parse(RegistrarAnswer.Version())!;
        var refused = JsonNode.Parse(RegistrarAnswer.Refused(400, Refusal.Invalid("x.y", "ip", "The address is wrong.", "Mend it.")))!;

        Assert.Equal((200, "Success"), (version["code"]!.GetValue<int>(), version["status"]!.GetValue<string>()));
        Assert.Equal("2.6", version["results"]!["current_version"]!.GetValue<string>());
        Assert.Contains("2.1", version["results"]!["supported_versions"]!.AsArray().Select(one => one!.GetValue<string>()));
        Assert.Empty(Results(RegistrarAnswer.Activated()));
        Assert.Equal((400, "The address is wrong."), (refused["code"]!.GetValue<int>(), refused["status"]!.GetValue<string>()));
        Assert.Empty(refused["results"]!.AsObject());
    }

    private static AgentRegistration Registration(SoftwareEndorsement tpm)
    {
        var body = Recorded.Registration();
        body["ek_tpm"] = Convert.ToBase64String(tpm.Area());
        return AgentRegistration.Parse(Recorded.AgentId, Recorded.Bytes(body)).Value;
    }

    private static bool IsOpened(AgentChallenge challenge, string agentId, string tag) =>
        AgentChallenge.IsOpened(challenge.Secret.Span, agentId, AgentActivation.Parse(Encoding.ASCII.GetBytes($"{{\"auth_tag\":\"{tag}\"}}")).Value);

    private static JsonObject Results(byte[] answer) => JsonNode.Parse(answer)!["results"]!.AsObject();
}
