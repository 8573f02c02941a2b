using System.Globalization;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>
/// Reads <c>vtime</c> in its three shapes: an offset with a colon (1.x), without (2.x), and the C locale's <c>Sat May 3 13:05:38 2014</c>, which
/// names no zone and so says nothing. A stamp never proves a measurement; it only keeps a verdict from being younger than the server says.
/// </summary>
internal static class OatStamp
{
    private static readonly string[] Shapes = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'"];

    /// <summary>The moment; null when the text names none.</summary>
    public static DateTimeOffset? Read(string text)
    {
        // .NET wants the colon: +0000 becomes +00:00.
        var sign = text.Length - 5;
        if (sign > 10 && text[sign] is '+' or '-' && text.AsSpan(sign + 1).IndexOfAnyExceptInRange('0', '9') < 0)
        {
            text = text.Insert(text.Length - 2, ":");
        }

        return DateTimeOffset.TryParseExact(text, Shapes, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment.ToUniversalTime() : null;
    }
}
