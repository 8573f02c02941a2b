using System.Buffers;
using System.Text;
using Microsoft.Net.Http.Headers;
using Portal.Core;

namespace Portal.Api;

/// <summary>Takes the body off a request, never more of it than allowed.</summary>
internal static class RequestBody
{
    /// <summary>The longest body, in bytes: 1 MiB.</summary>
    public const int Longest = 1024 * 1024;

    /// <summary>The body's root element, or the answer that refuses it; null when there is no body.</summary>
    public static async Task<(Element? Root, ApiAnswer? Refused)> ReadAsync(HttpRequest request, string root)
    {
        if (request.ContentLength > Longest)
        {
            return (null, TooLong());
        }

        var bytes = await TakeAsync(request);
        if (bytes is null)
        {
            return (null, TooLong());
        }

        if (bytes.Value.Length == 0)
        {
            return (null, null);
        }

        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || Reader(type, bytes.Value) is not { } reader)
        {
            return (null, Unsupported());
        }

        var parsed = reader(root);
        return parsed.Succeeded ? (parsed.Value, null) : (null, ApiAnswer.Refused(parsed.Refusal));
    }

    private static async Task<ReadOnlyMemory<byte>?> TakeAsync(HttpRequest request)
    {
        var taken = new ArrayBufferWriter<byte>((int)Math.Max(256, request.ContentLength ?? 4096));
        while (true)
        {
            var read = await request.Body.ReadAsync(taken.GetMemory(), request.HttpContext.RequestAborted);
            if (read == 0)
            {
                return taken.WrittenMemory;
            }

            taken.Advance(read);
            if (taken.WrittenCount > Longest)
            {
                return null;
            }
        }
    }

    private static Func<string, Outcome<Element>>? Reader(MediaTypeHeaderValue type, ReadOnlyMemory<byte> bytes)
    {
        var isXml = type.MediaType.Equals("application/xml", StringComparison.OrdinalIgnoreCase) || type.MediaType.Equals("text/xml", StringComparison.OrdinalIgnoreCase);
        var isJson = type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase);
        if ((!isXml && !isJson) || !TryEncoding(type, out var stated))
        {
            return null;
        }

        // JSON is UTF-8 (RFC 8259); XML says so itself, unless the header does (RFC 7303).
        return isXml ? root => Xml(bytes, stated, root) : root => Json(bytes, stated ?? Encoding.UTF8, root);
    }

    private static bool TryEncoding(MediaTypeHeaderValue type, out Encoding? stated)
    {
        stated = null;
        if (!type.Charset.HasValue)
        {
            return true;
        }

        try
        {
            stated = Encoding.GetEncoding(HeaderUtilities.RemoveQuotes(type.Charset).ToString());
            return true;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    private static Outcome<Element> Xml(ReadOnlyMemory<byte> bytes, Encoding? stated, string root)
    {
        try
        {
            return DocumentReader.Xml(XmlText(bytes, stated), root);
        }
        catch (DecoderFallbackException)
        {
            return NotText();
        }
    }

    /// <summary>Only UTF encodings are guessed at; whatever an XML declaration says otherwise comes as UTF-8 or is refused.</summary>
    private static StreamReader XmlText(ReadOnlyMemory<byte> bytes, Encoding? stated) =>
        new(new MemoryStream(bytes.ToArray(), writable: false), Strict(stated ?? Encoding.UTF8), detectEncodingFromByteOrderMarks: true);

    private static Outcome<Element> Json(ReadOnlyMemory<byte> bytes, Encoding stated, string root)
    {
        try
        {
            return DocumentReader.Json(Strict(stated).GetString(bytes.Span).TrimStart('\uFEFF'), root);
        }
        catch (DecoderFallbackException)
        {
            return NotText();
        }
    }

    private static Encoding Strict(Encoding encoding) =>
        Encoding.GetEncoding(encoding.CodePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);

    private static Refusal NotText() =>
        Refusal.Invalid("body.encoding", "body", "The body is not text in the encoding it claims to be in.", "Send it as UTF-8.");

    public static ApiAnswer TooLong() => ApiAnswer.Fault(
        StatusCodes.Status413PayloadTooLarge,
        Refusal.Invalid("body.too_long", "body", $"The body is longer than 1 MiB ({Longest} bytes).", "Send only what is to be set."));

    private static ApiAnswer Unsupported() => ApiAnswer.Fault(
        StatusCodes.Status415UnsupportedMediaType,
        Refusal.Invalid("body.content_type", "Content-Type", "The body is neither XML nor JSON by its Content-Type, or in a character set that is not known.", "Send it as application/xml or application/json, in UTF-8."));
}
