using System.Globalization;
using System.Text.Json;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>
/// Reads JSON of both dialects alike: a list may be an array, its only element, null, or wrapped in an object by the name of its elements;
/// a number or a truth may be text; the text <c>null</c> is none. Throws <see cref="JsonException"/> where another shape is meant, and
/// <see cref="InvalidOperationException"/> where text is no Unicode.
/// </summary>
internal static class OatJson
{
    private const int LongestShown = 160;

    // What the first dialect wraps its lists in.
    private static readonly string[] Wrappers = ["oem", "os", "hostBean", "mleBean"];

    /// <summary>Whether this is a list of the first dialect.</summary>
    public static bool IsWrapper(JsonElement element) => Wrappers.Any(w => element.TryGetProperty(w, out _));

    /// <summary>The elements of a list as a whole answer is one.</summary>
    public static IReadOnlyList<JsonElement> List(JsonElement answer)
    {
        if (answer.ValueKind == JsonValueKind.Object)
        {
            foreach (var wrapper in Wrappers)
            {
                if (answer.TryGetProperty(wrapper, out var wrapped))
                {
                    return Elements(wrapped);
                }
            }

            throw new JsonException("an object where a list is meant");
        }

        return Elements(answer);
    }

    /// <summary>The elements of a list that is a member.</summary>
    public static IReadOnlyList<JsonElement> List(JsonElement element, string name) => Member(element, name) is { } member ? Elements(member) : [];

    /// <summary>A member; null when it is absent or null.</summary>
    public static JsonElement? Member(JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("not an object");
        }

        return element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>A member as text; empty when it is absent or says null in either way.</summary>
    public static string Text(JsonElement element, string name) => Member(element, name) is not { } value
        ? ""
        : value.ValueKind switch
        {
            JsonValueKind.String => value.GetString() is { } text && text is not "null" ? text : "",
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
            _ => throw new JsonException($"{name} is no text"),
        };

    /// <summary>A member that is true or false, written in whatever way; null when it is neither.</summary>
    public static bool? Truth(JsonElement element, string name) => bool.TryParse(Text(element, name), out var truth) ? truth : null;

    /// <summary>A member that is a PCR's number; null when it is none.</summary>
    public static int? Pcr(JsonElement element, string name) => PcrOf(Text(element, name));

    /// <summary>The PCR a name of a white list's row means; null when it means none.</summary>
    public static int? PcrOf(string name) => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var pcr) && pcr < Tpm.PcrMask.PcrCount ? pcr : null;

    /// <summary>A digest as it is kept, in lower case; null when it is none.</summary>
    public static string? Digest(string text) => text.Length is >= 32 and <= 128 && text.All(char.IsAsciiHexDigit) ? text.ToLowerInvariant() : null;

    /// <summary>Text of the server's for a sentence: one line, printable, bounded.</summary>
    public static string Shown(string text)
    {
        var plain = string.Concat(text.Take(LongestShown).Select(c => char.IsControl(c) || char.IsSurrogate(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? ' ' : c)).Trim();
        return text.Length > LongestShown ? plain + "…" : plain;
    }

    private static IReadOnlyList<JsonElement> Elements(JsonElement list) => list.ValueKind switch
    {
        JsonValueKind.Array => [.. list.EnumerateArray()],
        JsonValueKind.Object => [list],
        JsonValueKind.Null => [],

        // Mapped JSON writes an empty element as empty text.
        JsonValueKind.String when string.IsNullOrEmpty(list.GetString()) => [],
        _ => throw new JsonException("neither a list nor an element of one"),
    };
}
