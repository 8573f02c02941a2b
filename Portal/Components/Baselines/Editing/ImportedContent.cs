using System.Text.Json;
using Portal.Core;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines.Editing;

/// <summary>Reads a revision's content from pasted text; what is wrong is said with its place.</summary>
internal static class ImportedContent
{
    public static Outcome<BaselineContent> Read(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return Refusal.Invalid("baseline.json", "content", "There is no text.", "Paste the content of a revision.");
        }

        BaselineContent content;
        try
        {
            content = BaselineContent.Parse(text).Normalized();
        }
        catch (JsonException fault)
        {
            var place = fault.LineNumber is { } line ? $" at line {line + 1}, character {(fault.BytePositionInLine ?? 0) + 1}" : "";
            return Refusal.Invalid("baseline.json", "content", $"This is not the content of a revision{place}.", "Copy it again with “As JSON”, whole.");
        }

        return ContentRules.Instance.Refusal(content) is { } wrong ? wrong : content;
    }
}
