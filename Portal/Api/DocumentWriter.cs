using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Xml;

namespace Portal.Api;

/// <summary>The two forms a document travels in.</summary>
internal enum DocumentForm
{
    Xml,
    Json,
}

/// <summary>Writes elements as XML or JSON, UTF-8.</summary>
internal static class DocumentWriter
{
    // Without a mark: clients of this API compare the first bytes.
    private static readonly XmlWriterSettings XmlSettings = new()
    {
        Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        Indent = true,
        NewLineHandling = NewLineHandling.Entitize,
    };

    // Nothing of this is ever put into a page, so quotes and angles may stay readable.
    private static readonly JsonWriterOptions JsonSettings = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string ContentType(DocumentForm form) => form switch
    {
        DocumentForm.Xml => "application/xml; charset=utf-8",
        DocumentForm.Json => "application/json; charset=utf-8",
    };

    public static ReadOnlyMemory<byte> Write(Element root, DocumentForm form) => form switch
    {
        DocumentForm.Xml => Xml(root),
        DocumentForm.Json => Json(root),
    };

    private static ReadOnlyMemory<byte> Xml(Element root)
    {
        using var bytes = new MemoryStream();
        using (var writer = XmlWriter.Create(bytes, XmlSettings))
        {
            writer.WriteStartDocument(standalone: true);
            Xml(writer, root);
            writer.WriteEndDocument();
        }

        return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
    }

    private static void Xml(XmlWriter writer, Element element)
    {
        writer.WriteStartElement(element.Name);
        foreach (var (name, value) in element.Attributes)
        {
            writer.WriteAttributeString(name, Writable(value));
        }

        if (element.Instant is { } instant)
        {
            writer.WriteString(instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        }
        else if (element.Text is { } text)
        {
            writer.WriteString(Writable(text));
        }

        foreach (var child in element.Children)
        {
            Xml(writer, child);
        }

        writer.WriteEndElement();
    }

    /// <summary>XML 1.0 has no way to write control characters; JSON and hosts may have brought some.</summary>
    private static string Writable(string text)
    {
        var at = 0;
        while (at < text.Length && (XmlConvert.IsXmlChar(text[at]) || IsPair(text, at)))
        {
            at += IsPair(text, at) ? 2 : 1;
        }

        if (at >= text.Length)
        {
            return text;
        }

        var mended = new StringBuilder(text, 0, at, text.Length);
        for (; at < text.Length; at++)
        {
            if (IsPair(text, at))
            {
                mended.Append(text, at++, 2);
            }
            else
            {
                mended.Append(XmlConvert.IsXmlChar(text[at]) ? text[at] : '\uFFFD');
            }
        }

        return mended.ToString();
    }

    private static bool IsPair(string text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]);

    private static ReadOnlyMemory<byte> Json(Element root)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, JsonSettings))
        {
            Json(writer, root);
        }

        return bytes.WrittenMemory;
    }

    private static void Json(Utf8JsonWriter writer, Element element)
    {
        if (element.Instant is { } instant)
        {
            writer.WriteNumberValue(instant.ToUnixTimeMilliseconds());
            return;
        }

        if (element.Text is { } text)
        {
            writer.WriteStringValue(text);
            return;
        }

        writer.WriteStartObject();
        foreach (var (name, value) in element.Attributes)
        {
            writer.WriteString(name, value);
        }

        foreach (var child in element.Children.Where(c => c.Name != element.Item))
        {
            writer.WritePropertyName(child.Name);
            Json(writer, child);
        }

        if (element.Item is { } item)
        {
            writer.WriteStartArray(item);
            foreach (var child in element.Children.Where(c => c.Name == item))
            {
                Json(writer, child);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
