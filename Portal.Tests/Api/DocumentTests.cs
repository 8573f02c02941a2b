using CsCheck;
using Portal.Api;

namespace Portal.Tests.Api;

/// <summary>Documents in and out: whatever comes is read or refused, and what is written is read back the same.</summary>
public sealed class DocumentTests
{
    private static readonly Gen<string> Name = OneOf("a", "b", "item", "cluster");

    /// <summary>Any text XML can write.</summary>
    private static readonly Gen<string> Text = Gen.Char.Array[0, 12].Select(chars => new string([.. chars.Where(System.Xml.XmlConvert.IsXmlChar)]));

    private static readonly Gen<Element> Tree = Gen.Recursive<Element>((depth, self) => depth > 3
        ? Gen.Select(Name, Text, (name, text) => Element.Leaf(name, text))
        : Gen.Frequency(
            (1, Gen.Select(Name, Text, (name, text) => Element.Leaf(name, text))),
            (2, Gen.Select(Name, Text, self.Array[1, 4], (name, id, children) => Element.Of(name, children).With([KeyValuePair.Create("id", id)])))));

    [Fact]
    public void Xml_Written_IsReadBackTheSame() => Tree.Sample(tree =>
    {
        var read = DocumentReader.Xml(new StringReader(Written(tree, DocumentForm.Xml)), tree.Name);
        Assert.True(read.Succeeded, read.Refusal?.ToString());
        Assert.Equal(Written(tree, DocumentForm.Xml), Written(read.Value, DocumentForm.Xml));
    });

    [Fact]
    public void Json_OfAList_IsReadBackTheSame() => Gen.Select(Text, Text).Array[0, 6].Sample(items =>
    {
        var list = Element.List("vms", "vm", items.Select(i => Element.Of("vm", Element.Leaf("name", i.Item1), Element.Leaf("description", i.Item2))));
        var read = DocumentReader.Json(Written(list, DocumentForm.Json), "vms").Value;
        Assert.Equal(items.Select(i => i.Item1), read.Children.Select(c => c.Children[0].Text));
        Assert.Equal(Written(list, DocumentForm.Json), Written(read.Listing("vm"), DocumentForm.Json));
    });

    [Fact]
    public void AnyText_IsReadOrRefused_NeverThrown() => Gen.OneOf(
        Gen.String,
        OneOf("<vm", "<vm>", "</vm>", "<!DOCTYPE vm [", "<!ENTITY a 'b'>", "]>", "&a;", "<![CDATA[", "]]>", "{", "}", "[", "]", "\"a\"", ":", ",", "1", "null", "\\ud800", "<?xml version='1.0'?>", "<?xml encoding='x'?>").Array[0, 12].Select(string.Concat)).Sample(text =>
    {
        var (xml, json) = (DocumentReader.Xml(new StringReader(text), "vm"), DocumentReader.Json(text, "vm"));
        foreach (var parsed in new[] { xml, json }.Where(p => p.Succeeded))
        {
            var fields = VmFields.Read(parsed.Value);
            Assert.True(fields.Succeeded || fields.Refusal.Field is { Length: > 0 });
        }
    });

    [Fact]
    public void AnyText_Written_IsWellFormedXml() => Gen.String.Sample(text =>
        System.Xml.Linq.XElement.Parse(Written(Element.Of("a", Element.Leaf("b", text)).With([KeyValuePair.Create("id", text)]), DocumentForm.Xml)));

    [Fact]
    public void Entities_AreNeitherExpandedNorFetched()
    {
        var laughs = "<!DOCTYPE vm [<!ENTITY a0 \"ha\">" + string.Concat(Enumerable.Range(1, 30).Select(i => $"<!ENTITY a{i} \"&a{i - 1};&a{i - 1};\">")) + "]><vm>&a30;</vm>";
        Assert.Equal("body.xml", DocumentReader.Xml(new StringReader(laughs), "vm").Refusal!.Code);
    }

    [Fact]
    public void Instants_AreIsoInXmlAndMillisecondsInJson()
    {
        var at = Element.Of("a", Element.At("at", new DateTimeOffset(2026, 1, 1, 2, 0, 0, 7, TimeSpan.FromHours(2))));
        Assert.Contains("<at>2026-01-01T00:00:00.007Z</at>", Written(at, DocumentForm.Xml), StringComparison.Ordinal);
        Assert.Contains("\"at\": 1767225600007", Written(at, DocumentForm.Json), StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyList_IsAnEmptyArray() =>
        Assert.Contains("\"vm\": []", Written(Element.List("vms", "vm", []), DocumentForm.Json), StringComparison.Ordinal);

    private static Gen<string> OneOf(params string[] words) => Gen.Int[0, words.Length - 1].Select(i => words[i]);

    private static string Written(Element element, DocumentForm form) => System.Text.Encoding.UTF8.GetString(DocumentWriter.Write(element, form).Span);
}
