using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Checks a measurement list that came with a quote.</summary>
internal static class MeasurementText
{
    /// <summary>The longest part of a host's list that is kept, in bytes of text: some 100,000 entries.</summary>
    public const int Longest = 16 << 20;

    /// <summary>The entries a quote vouches for.</summary>
    /// <param name="sent">What came.</param>
    /// <param name="quote">The verified quote.</param>
    /// <param name="bank">Its bank.</param>
    /// <param name="known">How far the list was found before; null to begin with its first entry.</param>
    public static TpmResult<ImaVerified> Verify(SentMeasurements sent, VerifiedQuote quote, TpmAlgorithm bank, RuntimeKnown? known)
    {
        if (sent.Text.Length + (sent.First > 0 ? known?.Bytes ?? 0 : 0) > Longest)
        {
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"The measurement list has more than {Longest >> 20} MiB, more than is kept of a host.");
        }

        var list = ImaList.Empty;
        return sent.Text.Length > 0 && !ImaList.ParseText(sent.Text).TryGet(out list, out var refusal)
            ? refusal
            : ImaReplay.Verify(list, sent.First, quote, bank, known?.State);
    }

    /// <summary>The lines of entries found now: what comes behind them is not vouched for and not kept.</summary>
    public static ReadOnlyMemory<byte> LinesOf(SentMeasurements sent, ImaVerified verified)
    {
        var start = Skip(sent.Text, 0, verified.From);
        return sent.Text.AsMemory(start, Skip(sent.Text, start, verified.Count) - start);
    }

    /// <summary>The lines behind the first few.</summary>
    public static ReadOnlyMemory<byte> After(ReadOnlyMemory<byte> lines, int first) => lines[Skip(lines.Span, 0, first)..];

    private static int Skip(ReadOnlySpan<byte> text, int from, int lines)
    {
        for (; lines > 0; lines--)
        {
            from += text[from..].IndexOf((byte)'\n') + 1;
        }

        return from;
    }
}
