using System.Collections.Immutable;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines.Editing;

/// <summary>Digests as people paste them: one a line or separated by commas, with or without 0x, colons, spaces, an algorithm's name, any case.</summary>
internal static class HexText
{
    private static readonly char[] Between = ['\n', '\r', ',', ';'];

    private static readonly string[] Prefixes = ["sha256", "sha384", "sha512", "sha-256", "sha-384", "sha-512", "0x"];

    /// <summary>The digests of a text, in the stored spelling where they have one; what is wrong stays as typed, for the core to refuse.</summary>
    public static ImmutableArray<string> Digests(string text) =>
        [.. text.Split(Between, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Clean).Where(d => d.Length > 0)];

    /// <summary>The text of digests, one a line.</summary>
    public static string Lines(ImmutableArray<string> digests) => string.Join('\n', digests);

    /// <summary>What is wrong with the first digest that is no digest of the bank, in words; null when all are.</summary>
    public static string? Complaint(string text, ushort bank)
    {
        if (PcrBanks.DigestSize(bank) is not { } size)
        {
            return null;
        }

        var digests = Digests(text);
        for (var i = 0; i < digests.Length; i++)
        {
            var which = digests.Length == 1 ? "This" : $"Digest {i + 1}";
            if (digests[i].FirstOrDefault(c => !char.IsAsciiHexDigit(c)) is var wrong && wrong != default)
            {
                return $"{which} holds '{wrong}', which is not hexadecimal.";
            }

            if (digests[i].Length != size * 2)
            {
                return $"{which} has {digests[i].Length} characters; {PcrBanks.Name(bank)} has {size * 2}{Guess(digests[i].Length)}.";
            }

            if (digests.IndexOf(digests[i]) < i)
            {
                return $"{which} is given twice.";
            }
        }

        return null;
    }

    private static string Guess(int length) => length switch
    {
        40 => " (it looks like SHA-1)",
        64 => " (it looks like SHA-256)",
        96 => " (it looks like SHA-384)",
        128 => " (it looks like SHA-512)",
        _ => "",
    };

    private static string Clean(string piece)
    {
        var text = piece.Trim().Trim('"', '\'').ToLowerInvariant();
        foreach (var prefix in Prefixes)
        {
            if (text.StartsWith(prefix, StringComparison.Ordinal))
            {
                text = text[prefix.Length..].TrimStart(':', '=', ' ');
            }
        }

        return string.Concat(text.Where(c => c is not (' ' or ':' or '-' or '\t')));
    }
}
