using System.Text;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>
/// What a host said, in lines that are safe to show and bounded: nothing in them steers a terminal or a page. What the host says is its claim.
/// One writer, many readers.
/// </summary>
/// <param name="most">Lines that are kept; the first ones.</param>
/// <param name="clean">Takes secrets out of a line.</param>
internal sealed class HostOutput(int most, Func<string, string> clean)
{
    private const int LongestLine = 400;

    private readonly Lock turn = new();
    private readonly List<string> lines = [];
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder open = new();
    private int dropped;

    /// <summary>Bytes so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>What it said so far.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            using var mine = turn.EnterScope();
            return dropped == 0 ? [.. lines] : [.. lines, $"… and {dropped:N0} more lines, which are not kept"];
        }
    }

    /// <summary>Its last line that begins so; null when there is none.</summary>
    public string? Last(string beginning)
    {
        using var mine = turn.EnterScope();
        return lines.FindLast(l => l.StartsWith(beginning, StringComparison.Ordinal))?[beginning.Length..];
    }

    /// <summary>Adds bytes as they come.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        using var mine = turn.EnterScope();
        Bytes += bytes.Length;
        var letters = new char[decoder.GetCharCount(bytes, flush: false)];
        foreach (var letter in letters.AsSpan(0, decoder.GetChars(bytes, letters, flush: false)))
        {
            if (letter == '\n')
            {
                End();
            }
            else if (open.Length <= LongestLine)
            {
                open.Append(letter);
            }
        }
    }

    /// <summary>Adds a line of the portal's own.</summary>
    public void Note(string line)
    {
        using var mine = turn.EnterScope();
        lines.Add(line);
    }

    /// <summary>No more comes.</summary>
    public void Close()
    {
        using var mine = turn.EnterScope();
        if (open.Length > 0)
        {
            End();
        }
    }

    private void End()
    {
        var line = ClaimedText.Safe(clean(open.ToString().TrimEnd('\r')), LongestLine);
        open.Clear();
        if (lines.Count < most)
        {
            lines.Add(line);
        }
        else
        {
            dropped++;
            // How it ended is worth more than the last line of a long middle.
            if (line.StartsWith(HostScript.Stopped, StringComparison.Ordinal))
            {
                lines.Add(line);
            }
        }
    }
}
