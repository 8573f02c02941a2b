using System.Globalization;
using System.Text;

namespace Portal.Core.Tpm;

/// <summary>
/// Text out of evidence, made safe to show and to log: bounded, and every character that is invisible or steers a terminal, a log
/// or the direction of writing stands as its number. Backslashes stay, because paths are made of them.
/// </summary>
internal static class ClaimedText
{
    public const int MaxLength = 400;

    private const int MaxHexBytes = 24;
    private const int Utf16Sample = 32;

    /// <summary>Text with unsafe characters as <c>\u{…}</c>; cut with an ellipsis.</summary>
    public static string Safe(ReadOnlySpan<char> text, int maxLength = MaxLength)
    {
        var safe = new StringBuilder(Math.Min(text.Length, maxLength));
        foreach (var rune in text.EnumerateRunes())
        {
            if (safe.Length >= maxLength)
                return safe.Append('…').ToString();
            if (IsSafe(rune))
                safe.Append(rune.ToString());
            else
                safe.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
        }
        return safe.ToString();
    }

    /// <summary>UTF-16 up to the first NUL.</summary>
    public static string FromUtf16(ReadOnlySpan<byte> bytes, int maxLength = MaxLength)
    {
        var length = 0;
        while (length + 1 < bytes.Length && (bytes[length] | bytes[length + 1]) != 0)
            length += 2;
        // More characters than are shown need not be decoded.
        return Safe(Encoding.Unicode.GetString(bytes[..Math.Min(length, 4 * maxLength)]), maxLength);
    }

    /// <summary>UTF-16 or UTF-8, whichever the bytes look like, without NULs at the end; null when they are no text.</summary>
    public static string? Guess(ReadOnlySpan<byte> bytes)
    {
        if (LooksLikeUtf16(bytes))
            return FromUtf16(bytes);
        var text = bytes.TrimEnd((byte)0);
        if (text.IsEmpty)
            return null;
        var shown = text[..Math.Min(text.Length, 4 * MaxLength)];
        if (shown.Length == text.Length && !System.Text.Unicode.Utf8.IsValid(shown))
            return null;
        foreach (var value in shown)
        {
            if (value < 0x20 && value is not ((byte)'\t' or (byte)'\n' or (byte)'\r'))
                return null;
        }
        return Safe(Encoding.UTF8.GetString(shown));
    }

    /// <summary>Text when the bytes are text, else their length and beginning in hexadecimal.</summary>
    public static string TextOrHex(ReadOnlySpan<byte> bytes) => Guess(bytes) ?? Hex(bytes);

    /// <summary>Length and beginning in hexadecimal.</summary>
    public static string Hex(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return "no data";
        var shown = Convert.ToHexStringLower(bytes[..Math.Min(bytes.Length, MaxHexBytes)]);
        return string.Create(CultureInfo.InvariantCulture, $"{bytes.Length} bytes: {shown}{(bytes.Length > MaxHexBytes ? "…" : "")}");
    }

    private static bool LooksLikeUtf16(ReadOnlySpan<byte> bytes)
    {
        var pairs = Math.Min(bytes.Length / 2, Utf16Sample);
        if (pairs == 0 || bytes[0] == 0)
            return false;
        for (var i = 0; i < pairs; i++)
        {
            if (bytes[2 * i + 1] != 0)
                return false;
            if (bytes[2 * i] == 0)
                return true;
            if (bytes[2 * i] < 0x20)
                return false;
        }
        return true;
    }

    private static bool IsSafe(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
        && rune.Value != Rune.ReplacementChar.Value;
}
