using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// What a keylime agent says of itself when it registers, API 2.0 to 3.0. Claims, but for this: both keys have the attributes they must
/// have. That they live in one TPM is shown by <see cref="AgentChallenge"/>. Keys and certificates of a device identity (IAK, IDevID) are
/// passed over: the endorsement key is what a host is known by here.
/// </summary>
/// <param name="AgentId">The agent's name for itself: a UUID, a digest or a host name.</param>
/// <param name="Endorsement">Its TPM's endorsement key.</param>
/// <param name="AttestationArea">Its attestation key as TPM2B_PUBLIC or TPMT_PUBLIC, one that <see cref="AttestationKey"/> accepts.</param>
/// <param name="EndorsementCertificate">The endorsement certificate as sent; empty when none was.</param>
/// <param name="ChannelCertificate">Certificate of the agent's own HTTPS server, DER; null for agents that have none.</param>
/// <param name="Address">Where the agent listens, an IP address or host name; null for agents that only send.</param>
/// <param name="Port">The port it listens on; null for agents that only send.</param>
public sealed record AgentRegistration(
    string AgentId, EndorsementKey Endorsement, ReadOnlyMemory<byte> AttestationArea, ReadOnlyMemory<byte> EndorsementCertificate,
    ReadOnlyMemory<byte>? ChannelCertificate, string? Address, int? Port)
{
    /// <summary>Longest agent id, in characters. Source: keylime, registrar's database.</summary>
    public const int MaxAgentId = 80;

    private const int MaxAddress = 253;

    /// <summary>What agents write instead of a certificate when they serve without TLS.</summary>
    private const string NoChannelCertificate = "disabled";

    /// <summary>Whether an id may name an agent: letters, digits, <c>_</c>, <c>.</c> and <c>-</c>, and not dots alone.</summary>
    /// <param name="agentId">The id, from the path of the request.</param>
    public static bool IsAgentId(string? agentId) => agentId is { Length: > 0 and <= MaxAgentId }
        && agentId.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '.' or '-')
        && agentId.Any(letter => letter != '.');

    /// <summary>
    /// Reads the body of <c>POST /v2.x/agents/{id}</c>. Refused, naming the field: a body that is no JSON object or larger than 128 KiB, one
    /// member twice, an id or address that is none, a key missing or without the attributes it must have, a certificate of the channel that
    /// cannot be read, an endorsement certificate longer than any that is read. It is not judged otherwise: a TPM without one must be able to register.
    /// </summary>
    /// <param name="agentId">The id from the path.</param>
    /// <param name="body">The body, UTF-8.</param>
    public static Outcome<AgentRegistration> Parse(string agentId, ReadOnlyMemory<byte> body)
    {
        if (!IsAgentId(agentId))
            return RegistrarBody.Invalid("agent_id", $"An agent id has 1 to {MaxAgentId} letters, digits, '_', '.' or '-'.");
        using var read = RegistrarBody.Read(body, out var refusal);
        if (read is null)
            return refusal!;
        var fields = read.RootElement;
        if (!RegistrarBody.TryText(fields, "ek_tpm", out var endorsement, out refusal) || !RegistrarBody.TryText(fields, "aik_tpm", out var attestation, out refusal)
            || !RegistrarBody.TryText(fields, "ekcert", out var certificate, out refusal) || !RegistrarBody.TryText(fields, "mtls_cert", out var channel, out refusal)
            || !RegistrarBody.TryText(fields, "ip", out var address, out refusal) || !TryPort(fields, out var port, out refusal))
            return refusal!;

        if (!RegistrarBody.TryBytes(endorsement, out var endorsementArea))
            return RegistrarBody.Invalid("ek_tpm", "The endorsement key is missing or not base64.");
        if (!EndorsementKey.Accept(endorsementArea).TryGet(out var key, out var wrong))
            return RegistrarBody.Refused("ek_tpm", wrong);
        if (!RegistrarBody.TryBytes(attestation, out var attestationArea))
            return RegistrarBody.Invalid("aik_tpm", "The attestation key is missing or not base64.");
        if (!AttestationKey.Accept(attestationArea).TryGet(out var attestationKey, out wrong))
            return RegistrarBody.Refused("aik_tpm", wrong);
        attestationKey.Dispose();

        ReadOnlyMemory<byte>? channelCertificate = null;
        if (!string.IsNullOrEmpty(channel) && channel != NoChannelCertificate)
        {
            channelCertificate = DerOf(channel);
            if (channelCertificate is null)
                return RegistrarBody.Invalid("mtls_cert", "The certificate of the agent's server is no PEM certificate.");
        }
        var endorsementCertificate = CertificateOf(certificate);
        if (endorsementCertificate.Length > Portal.Core.Tpm.EndorsementCertificate.MaxLength)
            return RegistrarBody.Invalid("ekcert", $"The endorsement certificate has more than {Portal.Core.Tpm.EndorsementCertificate.MaxLength} bytes.");
        if (!string.IsNullOrEmpty(address) && (address.Length > MaxAddress || Uri.CheckHostName(address) == UriHostNameType.Unknown))
            return RegistrarBody.Invalid("ip", "The address is no IP address or host name.");
        return new AgentRegistration(
            agentId, key, attestationArea, endorsementCertificate, channelCertificate, string.IsNullOrEmpty(address) ? null : address, port);
    }

    /// <summary>The certificate's bytes: agents send base64 or PEM. What is neither is kept as it is, to be called unreadable when it is judged.</summary>
    private static ReadOnlyMemory<byte> CertificateOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return default;
        if (PemEncoding.TryFind(text, out var pem))
            return Convert.FromBase64String(text[pem.Base64Data]);
        return RegistrarBody.TryBytes(text, out var bytes) ? bytes : System.Text.Encoding.UTF8.GetBytes(text);
    }

    private static ReadOnlyMemory<byte>? DerOf(string pem)
    {
        try
        {
            if (!PemEncoding.TryFind(pem, out var found))
                return null;
            using var certificate = X509CertificateLoader.LoadCertificate(Convert.FromBase64String(pem[found.Base64Data]));
            return certificate.RawData;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool TryPort(JsonElement fields, out int? port, out Refusal? refusal)
    {
        port = null;
        refusal = null;
        if (!fields.TryGetProperty("port", out var value) || value.ValueKind == JsonValueKind.Null)
            return true;
        // Old agents send the number as text.
        var isNumber = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetInt32(out var number) ? (port = number) is > 0 and <= ushort.MaxValue : false,
            JsonValueKind.String => ushort.TryParse(value.GetString(), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
                && (port = number) > 0,
            _ => false,
        };
        if (!isNumber)
            refusal = RegistrarBody.Invalid("port", "The port is no number from 1 to 65535.");
        return isNumber;
    }
}
