using System.Net;
using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>An agent as a registrar has it. Claims, but that both keys live in one TPM was shown to the registrar.</summary>
/// <param name="Id">The agent's id.</param>
/// <param name="EndorsementKey">TPM2B_PUBLIC, base64.</param>
/// <param name="EndorsementCertificate">DER, base64; empty when none was sent.</param>
/// <param name="AttestationKey">TPM2B_PUBLIC, base64.</param>
/// <param name="ServerCertificate">Certificate of the agent's own HTTPS server, PEM; empty when it has none.</param>
/// <param name="Ip">Where it listens; empty when it does not.</param>
/// <param name="Port">The port it listens on.</param>
internal sealed record KeylimeRegistration(
    string Id, string EndorsementKey, string EndorsementCertificate, string AttestationKey, string ServerCertificate, string Ip, int? Port)
{
    /// <summary>Asks the registrar; null when it does not know the agent, or the agent did not finish registering.</summary>
    public static async Task<KeylimeRegistration?> ReadAsync(KeylimeHttp http, string id, CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Registrar, HttpMethod.Get, $"agents/{KeylimeHttp.Escape(id)}", null, ct);
        return reply.Status == HttpStatusCode.NotFound ? null : http.Read(reply, KeylimePart.Registrar, "one registration", body => Parse(body, id));
    }

    /// <summary>Reads the body.</summary>
    /// <exception cref="JsonException">It is no registration.</exception>
    public static KeylimeRegistration Parse(byte[] body, string id)
    {
        using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 8 });
        var results = document.RootElement.GetProperty("results");
        return new KeylimeRegistration(
            id,
            Text(results, "ek_tpm"),
            Text(results, "ekcert"),
            Text(results, "aik_tpm"),
            Text(results, "mtls_cert"),
            Text(results, "ip"),
            results.TryGetProperty("port", out var port) && port.ValueKind == JsonValueKind.Number && port.TryGetInt32(out var number) && number is > 0 and <= ushort.MaxValue ? number : null);
    }

    private static string Text(JsonElement results, string name) => results.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
