using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Portal.Core;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Attestation.Registration;

/// <summary>A host with a TPM of its own whose agent registers, as keylime's does.</summary>
internal sealed class RegisteringHost : IDisposable
{
    private static readonly string AnyCertificate = MakeCertificate();

    private readonly SoftwareEndorsement endorsement;
    private RSA attestation = RSA.Create(2048);

    public RegisteringHost(string id, SoftwareEndorsement? endorsement = null) => (Id, this.endorsement) = (id, endorsement ?? SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128));

    public string Id { get; set; }

    public string Address { get; set; } = "10.0.0.7";

    public int Port { get; set; } = 9002;

    public string SeenFrom { get; set; } = "10.0.0.7";

    /// <summary>The certificate of its agent's server, PEM.</summary>
    public string ServerCertificate { get; set; } = AnyCertificate;

    /// <summary>The certificate of its endorsement key, if its maker gave one.</summary>
    public byte[]? Certificate { get; set; }

    /// <summary>What it claims its endorsement key may be used for; the TPM opens challenges whatever is claimed.</summary>
    public TpmObjectAttributes EndorsementAttributes { get; set; } = SoftwareEndorsement.Attributes;

    public byte[] EndorsementArea => endorsement.Area(EndorsementAttributes);

    public string EndorsementHash => Convert.ToHexStringLower(SHA256.HashData(CertifiedKey.ExportSubjectPublicKeyInfo()));

    public PublicKey CertifiedKey => endorsement.CertifiedKey;

    public byte[] AttestationArea => SoftwareTpm.RsaArea(attestation, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256);

    /// <summary>The host is installed anew: same TPM, another attestation key.</summary>
    public void Reinstall()
    {
        attestation.Dispose();
        attestation = RSA.Create(2048);
    }

    public ReadOnlyMemory<byte> Message(Action<Dictionary<string, object?>>? change = null)
    {
        var body = new Dictionary<string, object?>
        {
            ["ekcert"] = Certificate is null ? null : Convert.ToBase64String(Certificate),
            ["ek_tpm"] = Convert.ToBase64String(SoftwareTpm.Sized(EndorsementArea)),
            ["aik_tpm"] = Convert.ToBase64String(SoftwareTpm.Sized(AttestationArea)),
            ["mtls_cert"] = ServerCertificate,
            ["ip"] = Address,
            ["port"] = Port,
        };
        change?.Invoke(body);
        return JsonSerializer.SerializeToUtf8Bytes(body);
    }

    /// <summary>Registers and has the TPM answer the challenge.</summary>
    public async Task<Outcome<RegisteredAttester>> RegisterAsync(Registrar registrar)
    {
        var challenge = registrar.Register(AgentRegistration.Parse(Id, Message()).Value, SeenFrom);
        Assert.True(challenge.Succeeded, challenge.Refusal?.ToString());
        return await registrar.ActivateAsync(Id, Answer(challenge.Value)!, SeenFrom, TestContext.Current.CancellationToken);
    }

    /// <summary>What the agent sends to activate; null when its TPM refuses the challenge.</summary>
    public AgentActivation? Answer(AgentChallenge challenge)
    {
        using var key = AttestationKey.Accept(AttestationArea).Value;
        return endorsement.Activate(Convert.FromBase64String(challenge.Blob), key.Name.ToArray()) is { } secret
            ? new(HMACSHA384.HashData(Encoding.ASCII.GetBytes(Convert.ToBase64String(secret)), Encoding.UTF8.GetBytes(Id)))
            : null;
    }

    /// <summary>What the agent answers to <c>quotes/identity</c>: a quote of the nonce over PCR 16, into which it measured a key of its own.</summary>
    public byte[] IdentityQuote(string nonce)
    {
        const string Key = "-----BEGIN PUBLIC KEY-----";
        var measured = SHA256.HashData([.. new byte[32], .. SHA256.HashData(Encoding.UTF8.GetBytes(Key))]);
        var attest = SoftwareTpm.Attest(TpmAlgorithm.Sha256, Encoding.ASCII.GetBytes(nonce), PcrSelection.Of(TpmAlgorithm.Sha256, [16]), measured);
        var signature = SoftwareTpm.RsaSignature(TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256, attestation.SignData(attest, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));

        // As tpm2_quote writes them: 16 places for banks and 8 for digests, little-endian.
        byte[] dump = [1, 0, 0, 0, 0x0b, 0, 3, 0, 0, 1, .. new byte[2 + (15 * 8)], 1, 0, 0, 0, 1, 0, 0, 0, 32, 0, .. measured, .. new byte[32 + (7 * 66)]];
        return JsonSerializer.SerializeToUtf8Bytes(new { code = 200, status = "Success", results = new { quote = $"r{string.Join(':', new[] { attest, signature, dump }.Select(Convert.ToBase64String))}", hash_alg = "sha256", enc_alg = "rsa", sign_alg = "rsassa", pubkey = Key } });
    }

    public void Dispose()
    {
        endorsement.Dispose();
        attestation.Dispose();
    }

    private static string MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        return certificate.ExportCertificatePem();
    }
}
