using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>Reads bodies that anybody may send.</summary>
internal static class RegistrarBody
{
    public const int MaxBytes = 128 * 1024;

    private const int MaxText = 64 * 1024;

    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = 8, AllowDuplicateProperties = false };

    /// <summary>A JSON object, or the refusal.</summary>
    public static JsonDocument? Read(ReadOnlyMemory<byte> body, out Refusal? refusal)
    {
        refusal = Invalid("body", $"The body is no JSON object of at most {MaxBytes} bytes with each member once.");
        if (body.Length is 0 or > MaxBytes)
            return null;
        try
        {
            var read = JsonDocument.Parse(body, s_strict);
            if (read.RootElement.ValueKind == JsonValueKind.Object)
            {
                refusal = null;
                return read;
            }
            read.Dispose();
            return null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // The second is how the platform reports half of a surrogate pair in a name.
            return null;
        }
    }

    /// <summary>A member that is text, null or missing; anything else, or text beyond reason, is refused.</summary>
    public static bool TryText(JsonElement fields, string name, out string? text, out Refusal? refusal)
    {
        text = null;
        refusal = null;
        if (!fields.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return true;
        try
        {
            text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, or bytes that are no UTF-8.
        }
        if (text is { Length: <= MaxText })
            return true;
        refusal = Invalid(name, $"Member {name} is no text of at most {MaxText} characters.");
        return false;
    }

    /// <summary>Bytes out of base64; false for nothing and for text that is none.</summary>
    public static bool TryBytes(string? text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (string.IsNullOrEmpty(text))
            return false;
        var buffer = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, buffer, out var length))
            return false;
        bytes = buffer[..length];
        return true;
    }

    public static Refusal Invalid(string field, string sentence) =>
        Refusal.Invalid("registrar.body.invalid", field, sentence, "Check the version of the host's agent; keylime agents of API 2.0 to 3.0 are understood.");

    public static Refusal Refused(string field, TpmRefusal refusal) => Refusal.Invalid("registrar.key.refused", field, refusal.Message, refusal.Remedy);
}
