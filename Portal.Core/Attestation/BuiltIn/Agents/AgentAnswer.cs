using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>
/// The JSON of a keylime agent's <c>quotes/integrity</c> and <c>quotes/identity</c>, versions 2.1 to 2.6: <c>quote</c> is <c>r</c> and three parts in
/// base64 with colons between (TPMS_ATTEST, TPMT_SIGNATURE, PCR values as tpm2_quote serializes them), <c>mb_measurement_list</c> the event log in base64,
/// <c>ima_measurement_list</c> the kernel's measurement list as text from entry <c>ima_measurement_list_entry</c> on,
/// <c>pubkey</c> the agent's own key, whose digest it extends into PCR 16. What is not asked for is not read.
/// </summary>
public static class AgentAnswer
{
    /// <summary>The PCR into which an agent measures its own key; every quote of it has it.</summary>
    public const int OwnKeyPcr = 16;

    private const int Parts = 3;

    /// <summary>The evidence, or a sentence why there is none in it.</summary>
    /// <param name="body">The body of an answer with status 200.</param>
    /// <param name="bank">The bank asked for.</param>
    public static (Evidence? Evidence, string? Fault) Read(ReadOnlyMemory<byte> body, TpmAlgorithm bank)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 8 });
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("results", out var results) && results.ValueKind == JsonValueKind.Object
                ? Read(results, bank)
                : (null, "it has no results");
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // The second is how the platform reports half of a surrogate pair in a text.
            return (null, "it is not JSON");
        }
    }

    private static (Evidence? Evidence, string? Fault) Read(JsonElement results, TpmAlgorithm bank)
    {
        if (Text(results, "quote") is not ['r', .. var quote] || quote.Split(':') is not { Length: Parts } parts)
        {
            return (null, "its quote does not have three parts");
        }

        if (Bytes(parts[0]) is not { } attest || Bytes(parts[1]) is not { } signature || Bytes(parts[2]) is not { } dump)
        {
            return (null, "its quote is not base64");
        }

        if (!SerializedPcrs.Parse(dump).TryGet(out var values, out var refusal))
        {
            return (null, refusal.Message);
        }

        if (values.Bank(bank) is not { } found || values.Banks.Length != 1)
        {
            return (null, $"its PCR values are not those of {bank.DisplayName()} alone");
        }

        if (results.TryGetProperty("pubkey", out var given) && given.ValueKind == JsonValueKind.String && !Holds(found, given.GetString()!))
        {
            return (null, "its own key is not the one measured into PCR 16");
        }

        byte[]? log = null;
        if (Text(results, "mb_measurement_list") is { Length: > 0 } text && (log = Bytes(text)) is null)
        {
            return (null, "its event log is not base64");
        }

        return (new Evidence(attest, signature, (ushort)bank, found.Pcrs.ToDictionary(p => p, p => found.Get(p)!), log) { Measurements = Measurements(results) }, null);
    }

    /// <summary>An agent that cannot read the kernel's list sends none; the place of its first entry is 0 where it is not said.</summary>
    private static SentMeasurements? Measurements(JsonElement results) => Text(results, "ima_measurement_list") is not { } text ? null
        : new SentMeasurements(
            results.TryGetProperty("ima_measurement_list_entry", out var entry) && entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out var first) ? first : 0,
            Encoding.UTF8.GetBytes(text));

    /// <summary>Whether PCR 16 holds nothing but the digest of a key's text.</summary>
    private static bool Holds(PcrBank bank, string key)
    {
        Span<byte> digest = stackalloc byte[TpmHash.MaxDigestSize];
        Span<byte> extended = stackalloc byte[TpmHash.MaxDigestSize];
        var size = bank.DigestSize;
        TpmHash.Compute(bank.Algorithm, Encoding.UTF8.GetBytes(key), digest);
        TpmHash.Compute(bank.Algorithm, [.. new byte[size], .. digest[..size]], extended);
        return bank.TryGet(OwnKeyPcr, out var value) && CryptographicOperations.FixedTimeEquals(value, extended[..size]);
    }

    private static string? Text(JsonElement results, string name) =>
        results.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? Bytes(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length) && length > 0 ? bytes[..length] : null;
    }
}
