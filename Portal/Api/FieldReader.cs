using System.Globalization;
using Portal.Core;

namespace Portal.Api;

/// <summary>Takes fields out of a request's document. The first thing wrong is kept and names the field; what follows reads as absent.</summary>
/// <param name="document">The document.</param>
internal sealed class FieldReader(Element document)
{
    /// <summary>The first thing wrong, if anything is.</summary>
    public Refusal? Wrong { get; private set; }

    /// <summary>Keeps a refusal, unless there is an earlier one.</summary>
    public void Refuse(string code, string field, string sentence, string remedy) => Wrong ??= Refusal.Invalid(code, field, sentence, remedy);

    /// <summary>The text at a dotted path, or null.</summary>
    public string? Text(string path)
    {
        if (Find(path) is not { } element)
        {
            return null;
        }

        if (element.Text is null)
        {
            Refuse("field.not_text", path, $"'{path}' has fields of its own where a text is expected.", "Give a text or a number.");
        }

        return element.Text;
    }

    /// <summary>The word at a path, without white space around it, or null.</summary>
    public string? Word(string path) => Text(path)?.Trim();

    /// <summary>The whole number at a path, or null.</summary>
    public long? Number(string path)
    {
        if (Word(path) is not { } text)
        {
            return null;
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        Refuse("field.not_number", path, $"'{Short(text)}' is not a whole number of at most 63 bits.", "Give it in digits.");
        return null;
    }

    /// <summary>The truth at a path, or null.</summary>
    public bool? Flag(string path)
    {
        switch (Word(path))
        {
            case null:
                return null;
            case "true" or "1":
                return true;
            case "false" or "0":
                return false;
            case var other:
                Refuse("field.not_flag", path, $"'{Short(other)}' is neither true nor false.", "Give true or false.");
                return null;
        }
    }

    /// <summary>All elements of a list, for example <c>custom_properties</c> of <c>custom_property</c>.</summary>
    public IEnumerable<FieldReader> Items(string list, string item) =>
        Find(list)?.Named(item).Select(i => new FieldReader(i)) ?? [];

    /// <summary>Whether there is anything at the path.</summary>
    public bool Has(string path) => Find(path) is not null;

    /// <summary>A value as a sentence may show it.</summary>
    public static string Short(string value) => value.Length <= 100 ? value : value[..100] + "…";

    private Element? Find(string path)
    {
        var (at, walked) = (document, "");
        foreach (var step in path.Split('.'))
        {
            walked = walked.Length == 0 ? step : $"{walked}.{step}";
            var found = at.Named(step).Take(2).ToList();
            if (found.Count == 2)
            {
                Refuse("field.twice", walked, $"'{walked}' is given more than once.", "Give it once.");
            }

            if (found.Count != 1)
            {
                return null;
            }

            at = found[0];
        }

        return at;
    }
}
