using System.Text;
using System.Text.Json;
using System.Xml;
using Portal.Core;

namespace Portal.Api;

/// <summary>Reads a request's document, XML or JSON, into elements; within limits, and without ever following a reference.</summary>
internal static class DocumentReader
{
    /// <summary>Deepest nesting of a request.</summary>
    public const int Deepest = 32;

    /// <summary>Most elements and attributes of a request.</summary>
    public const int Most = 10_000;

    private const string Field = "body";

    private static readonly XmlReaderSettings XmlSettings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        MaxCharactersInDocument = RequestBody.Longest,
        MaxCharactersFromEntities = 1024,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        CloseInput = true,
    };

    private static readonly JsonDocumentOptions JsonSettings = new()
    {
        MaxDepth = Deepest,
        AllowDuplicateProperties = false,
        CommentHandling = JsonCommentHandling.Disallow,
    };

    /// <summary>Reads XML whose root must have the name.</summary>
    public static Outcome<Element> Xml(TextReader text, string root)
    {
        try
        {
            using var reader = XmlReader.Create(text, XmlSettings);
            reader.MoveToContent();
            if (reader.LocalName != root)
            {
                return Refusal.Invalid("body.root", Field, $"The body is a <{reader.LocalName}> where a <{root}> is expected.", $"Send a <{root}>.");
            }

            var left = Most;
            var element = Xml(reader, ref left);
            while (reader.Read())
            {
                // To the end: what follows the root must be well-formed too.
            }

            return element;
        }
        catch (XmlException fault)
        {
            return Refusal.Invalid("body.xml", Field, $"The XML of the body is not well-formed, or not allowed here{Place(fault)}: {Words(fault)}", "Send well-formed XML without a document type.");
        }
        catch (TooLargeException)
        {
            return TooLarge();
        }
    }

    /// <summary>Reads a JSON object.</summary>
    public static Outcome<Element> Json(string text, string root)
    {
        try
        {
            using var document = JsonDocument.Parse(text, JsonSettings);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return Refusal.Invalid("body.root", Field, "The JSON of the body is not an object.", $"Send the fields of the {root} as an object.");
            }

            var left = Most;
            return Json(root, document.RootElement, ref left) ?? Element.Of(root);
        }
        catch (JsonException fault)
        {
            return Refusal.Invalid("body.json", Field, $"The JSON of the body is not well-formed, has a name twice or is nested deeper than {Deepest} (line {fault.LineNumber + 1}, position {fault.BytePositionInLine + 1}).", "Send well-formed JSON.");
        }
        catch (InvalidOperationException)
        {
            return Refusal.Invalid("body.json", Field, "The JSON of the body has a text that is not Unicode.", "Send well-formed JSON.");
        }
        catch (TooLargeException)
        {
            return TooLarge();
        }
    }

    private static Refusal TooLarge() =>
        Refusal.Invalid("body.too_large", Field, $"The body is nested deeper than {Deepest} or has more than {Most} elements.", "Send only what is to be set.");

    private static string Place(XmlException fault) => fault.LineNumber == 0 ? "" : $" (line {fault.LineNumber}, position {fault.LinePosition})";

    private static string Words(XmlException fault) => fault.Message.Split(". ", 2)[0].TrimEnd('.') + ".";

    private static Element Xml(XmlReader reader, ref int left)
    {
        if (reader.Depth >= Deepest || (left -= 1 + reader.AttributeCount) < 0)
        {
            throw new TooLargeException();
        }

        var (name, attributes) = (reader.LocalName, new List<KeyValuePair<string, string>>());
        while (reader.MoveToNextAttribute())
        {
            attributes.Add(KeyValuePair.Create(reader.LocalName, reader.Value));
        }

        reader.MoveToElement();
        var (text, children) = (new StringBuilder(), new List<Element>());
        if (!reader.IsEmptyElement)
        {
            while (reader.Read() && reader.NodeType != XmlNodeType.EndElement)
            {
                if (reader.NodeType == XmlNodeType.Element)
                {
                    children.Add(Xml(reader, ref left));
                }
                else
                {
                    text.Append(reader.Value);
                }
            }
        }

        var element = children.Count == 0 ? Element.Leaf(name, text.ToString()) : Element.Of(name, children);
        return element.With(attributes);
    }

    /// <summary>A value as an element; null for null, which is the same as leaving it out.</summary>
    private static Element? Json(string name, JsonElement value, ref int left)
    {
        if (--left < 0)
        {
            throw new TooLargeException();
        }

        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var children = new List<Element>();
                foreach (var property in value.EnumerateObject())
                {
                    Add(children, property.Name, property.Value, ref left);
                }

                return Element.Of(name, children);
            case JsonValueKind.String:
                return Element.Leaf(name, value.GetString()!);
            case JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                return Element.Leaf(name, value.GetRawText());
            default:
                return null;
        }
    }

    private static void Add(List<Element> children, string name, JsonElement value, ref int left)
    {
        var items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value];
        foreach (var item in items)
        {
            // A list of lists means nothing here; it must not pass for one that is empty.
            var element = item.ValueKind == JsonValueKind.Array ? Element.List(name, "item", []) : Json(name, item, ref left);
            if (element is not null)
            {
                children.Add(element);
            }
        }
    }

    private sealed class TooLargeException : Exception;
}
