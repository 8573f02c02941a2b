using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Portal.Core;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Attestation.Registration;

public sealed class AgentRegistrationTests
{
    [Fact]
    public void Parse_RecordedRegistration_GivesKeysCertificatesAndAddress()
    {
        var registration = Parse(Recorded.Registration()).Value;

        Assert.Equal((Recorded.AgentId, "127.0.0.1", (int?)9102), (registration.AgentId, registration.Address, registration.Port));
        Assert.Equal(2048, registration.Endorsement.Public.KeyBits);
        Assert.True(EndorsementCertificate.Parse(registration.EndorsementCertificate.Span).Value.Certifies(registration.Endorsement));
        using var key = AttestationKey.Accept(registration.AttestationArea.Span).Value;
        Assert.Equal(TpmAlgorithm.RsaSsa, key.Scheme);
        using var channel = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(registration.ChannelCertificate!.Value.Span);
        Assert.Equal($"CN={Recorded.AgentId}", channel.Subject);
    }

    [Fact]
    public void Parse_RecordedCertificate_IsJudgedLikeAnyOther()
    {
        var registration = Parse(Recorded.Registration()).Value;
        using var nobody = EndorsementAuthorities.FromPem("", "").Value;

        var appraisal = EndorsementCheck.Check(registration.EndorsementCertificate.Span, registration.Endorsement, nobody, new FakeTimeProvider(new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero)));

        Assert.Equal(EndorsementVerdict.UnknownIssuer, appraisal.Verdict);
    }

    [Fact]
    public void Parse_PushAgent_HasNoAddress()
    {
        var body = Recorded.Registration();
        foreach (var name in new[] { "ip", "port", "mtls_cert" })
            body.Remove(name);

        var registration = Parse(body).Value;

        Assert.Equal((null, null, null), (registration.Address, registration.Port, registration.ChannelCertificate));
    }

    [Fact]
    public void Parse_OldAndNewForms_AreUnderstood()
    {
        var body = Recorded.Registration();
        var der = body["ekcert"]!.GetValue<string>();
        body["port"] = "9002";
        body["mtls_cert"] = "disabled";
        body["ekcert"] = PemEncoding.WriteString("CERTIFICATE", Convert.FromBase64String(der));
        body["iak_tpm"] = "not looked at";
        body["something_new"] = new JsonArray(1, 2);

        var registration = Parse(body).Value;

        Assert.Equal((9002, null), (registration.Port, registration.ChannelCertificate));
        Assert.Equal(Convert.FromBase64String(der), registration.EndorsementCertificate.ToArray());
    }

    [Theory]
    [InlineData(null, EndorsementVerdict.NoCertificate)]
    [InlineData("", EndorsementVerdict.NoCertificate)]
    [InlineData("emulator", EndorsementVerdict.Unreadable)]
    [InlineData("~~~", EndorsementVerdict.Unreadable)]
    public void Parse_NoCertificate_RegistersAllTheSame(string? certificate, EndorsementVerdict expected)
    {
        var body = Recorded.Registration();
        body["ekcert"] = certificate;
        var registration = Parse(body).Value;
        using var nobody = EndorsementAuthorities.FromPem("", "").Value;

        Assert.Equal(expected, EndorsementCheck.Check(registration.EndorsementCertificate.Span, registration.Endorsement, nobody, TimeProvider.System).Verdict);
    }

    [Theory]
    [InlineData("ek_tpm", null)]
    [InlineData("ek_tpm", "***")]
    [InlineData("ek_tpm", "AAAA")]
    [InlineData("aik_tpm", null)]
    [InlineData("aik_tpm", "AAAA")]
    [InlineData("mtls_cert", "no certificate")]
    [InlineData("mtls_cert", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("ip", "10.0.0.1/../x")]
    [InlineData("ip", "a b")]
    [InlineData("port", "0")]
    [InlineData("port", "65536")]
    [InlineData("port", "-1")]
    public void Parse_WrongMember_IsRefusedByName(string name, string? value)
    {
        var body = Recorded.Registration();
        body[name] = value;

        Assert.Equal(name, Parse(body).Refusal?.Field);
    }

    [Theory]
    [InlineData("port", "0")]
    [InlineData("port", "70000")]
    [InlineData("port", "1.5")]
    [InlineData("port", "1e99")]
    [InlineData("port", "true")]
    [InlineData("ip", "5")]
    [InlineData("ek_tpm", "{}")]
    [InlineData("aik_tpm", "\"\\ud800\"")]
    public void Parse_MemberOfAnotherKind_IsRefusedByName(string name, string json)
    {
        var body = Recorded.Registration();
        body.Remove(name);
        var text = body.ToJsonString()[..^1] + $",\"{name}\":{json}}}";

        Assert.Equal(name, AgentRegistration.Parse(Recorded.AgentId, Encoding.UTF8.GetBytes(text)).Refusal?.Field);
    }

    [Fact]
    public void Parse_KeysSwapped_AreRefused()
    {
        var body = Recorded.Registration();
        (body["ek_tpm"], body["aik_tpm"]) = (body["aik_tpm"]!.DeepClone(), body["ek_tpm"]!.DeepClone());

        Assert.Equal(("registrar.key.refused", "ek_tpm"), (Parse(body).Refusal?.Code, Parse(body).Refusal?.Field));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{\"ek_tpm\":\"a\",\"ek_tpm\":\"b\"}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("{\"\\ud800\":1,\"\\ud800\":2}")]
    [InlineData("{\"a\":[[[[[[[[[[[[1]]]]]]]]]]]]}")]
    public void Parse_NoObject_IsRefused(string body) =>
        Assert.False(AgentRegistration.Parse(Recorded.AgentId, Encoding.UTF8.GetBytes(body)).Succeeded);

    [Fact]
    public void Parse_BodyBeyondReason_IsRefused()
    {
        var body = Recorded.Registration();
        body["padding"] = new string('x', 200_000);
        Assert.Equal("body", Parse(body).Refusal?.Field);
        body.Remove("padding");
        body["ekcert"] = new string('A', 70_000);
        Assert.Equal("ekcert", Parse(body).Refusal?.Field);
        body["ekcert"] = Convert.ToBase64String(new byte[EndorsementCertificate.MaxLength + 1]);
        Assert.Equal("ekcert", Parse(body).Refusal?.Field);
        body["ekcert"] = Convert.ToBase64String(new byte[EndorsementCertificate.MaxLength]);
        Assert.True(Parse(body).Succeeded);
    }

    [Theory]
    [InlineData("595979f2-07a9-56cb-9139-e38cc7bc92a1", true)]
    [InlineData("kvm-a01.example.org", true)]
    [InlineData("a_b", true)]
    [InlineData("", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    [InlineData(null, false)]
    public void IsAgentId_KnowsNames(string? id, bool expected)
    {
        Assert.Equal(expected, AgentRegistration.IsAgentId(id));
        Assert.False(AgentRegistration.IsAgentId(new string('a', 81)));
        if (id is not null && !expected)
            Assert.Equal("agent_id", AgentRegistration.Parse(id, Recorded.Bytes(Recorded.Registration())).Refusal?.Field);
    }

    [Fact]
    public void Parse_NoiseCutsAndMutations_GiveARegistrationOrARefusal()
    {
        byte[][] bodies = [Recorded.Bytes(Recorded.Registration()), "{\"auth_tag\":\"00ff\"}"u8.ToArray()];
        Mutations.NoiseCutsAndMutations(bodies, Read);

        static void Read(byte[] body)
        {
            AssertAnswered(AgentRegistration.Parse(Recorded.AgentId, body));
            AssertAnswered(AgentActivation.Parse(body));
        }
    }

    private static void AssertAnswered<T>(Outcome<T> outcome)
    {
        if (outcome.Refusal is { } refusal)
        {
            Assert.NotEmpty(refusal.Sentence);
            Assert.NotEmpty(refusal.Remedy);
            Assert.NotEmpty(refusal.Field!);
        }
        else
        {
            Assert.NotNull(outcome.Value);
        }
    }

    private static Outcome<AgentRegistration> Parse(JsonObject body) => AgentRegistration.Parse(Recorded.AgentId, Recorded.Bytes(body));
}
