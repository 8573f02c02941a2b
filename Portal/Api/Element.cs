using System.Globalization;

namespace Portal.Api;

/// <summary>One element of a document, whichever way it is written: XML with attributes and children, JSON with properties.</summary>
internal sealed class Element
{
    private Element(string name) => Name = name;

    public string Name { get; }

    /// <summary>The text of a leaf; null when the element has children or holds an instant.</summary>
    public string? Text { get; private init; }

    /// <summary>A moment: ISO 8601 in XML, milliseconds since 1970 in JSON.</summary>
    public DateTimeOffset? Instant { get; private init; }

    /// <summary>What XML writes as attributes.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Attributes { get; private init; } = [];

    public IReadOnlyList<Element> Children { get; private init; } = [];

    /// <summary>Children of this name are a list: an array in JSON, also when there are none.</summary>
    public string? Item { get; private init; }

    public static Element Leaf(string name, string text) => new(name) { Text = text };

    public static Element Number(string name, long value) => Leaf(name, value.ToString(CultureInfo.InvariantCulture));

    public static Element Flag(string name, bool value) => Leaf(name, value ? "true" : "false");

    public static Element At(string name, DateTimeOffset instant) => new(name) { Instant = instant };

    /// <summary>An element with children; those that are null are left out.</summary>
    public static Element Of(string name, params IEnumerable<Element?> children) => new(name) { Children = [.. children.OfType<Element>()] };

    /// <summary>An element whose children are all one list.</summary>
    public static Element List(string name, string item, IEnumerable<Element> items) => new(name) { Children = [.. items], Item = item };

    /// <summary>An empty element that points at something by attributes.</summary>
    public static Element Link(string name, string href, string? id = null, string? rel = null) =>
        Of(name).With([KeyValuePair.Create("href", href), .. Named("id", id), .. Named("rel", rel)]);

    /// <summary>The same element with these attributes.</summary>
    public Element With(params IReadOnlyList<KeyValuePair<string, string>> attributes) =>
        new(Name) { Text = Text, Instant = Instant, Attributes = attributes, Children = Children, Item = Item };

    /// <summary>The same element, its children of a name being a list.</summary>
    public Element Listing(string item) =>
        new(Name) { Text = Text, Instant = Instant, Attributes = Attributes, Children = Children, Item = item };

    /// <summary>What is called so, be it attribute or child: requests may write either.</summary>
    public IEnumerable<Element> Named(string name) => Attributes
        .Where(a => string.Equals(a.Key, name, StringComparison.Ordinal))
        .Select(a => Leaf(a.Key, a.Value))
        .Concat(Children.Where(c => string.Equals(c.Name, name, StringComparison.Ordinal)));

    private static IEnumerable<KeyValuePair<string, string>> Named(string name, string? value) =>
        value is null ? [] : [KeyValuePair.Create(name, value)];
}
