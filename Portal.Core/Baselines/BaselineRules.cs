using System.Text.RegularExpressions;
using FluentValidation;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>Name, description and kind as a person typed them, trimmed.</summary>
/// <param name="Name">The name.</param>
/// <param name="Description">What it is for.</param>
/// <param name="Kind">The kind.</param>
public sealed record BaselineName(string Name, string Description, BaselineKinds Kind);

/// <summary>What a baseline may be called: 1 to 64 ASCII letters, digits, dots, underscores, hyphens and spaces, so that no two look alike.</summary>
public sealed partial class BaselineNameRules : AbstractValidator<BaselineName>
{
    /// <summary>Longest name, in characters.</summary>
    public const int LongestName = 64;

    /// <summary>Longest description, in characters.</summary>
    public const int LongestDescription = 2000;

    /// <summary>The rules hold no state.</summary>
    public static BaselineNameRules Instance { get; } = new();

    private BaselineNameRules()
    {
        RuleFor(n => n.Name).Cascade(CascadeMode.Stop)
            .NotEmpty().RefusedAs("baseline.name.empty", "A baseline needs a name.", "Give it a name of 1 to 64 characters.")
            .MaximumLength(LongestName).RefusedAs("baseline.name.long", "The name is longer than 64 characters.", "Shorten it.")
            .Must(name => Allowed().IsMatch(name)).RefusedAs(
                "baseline.name.characters",
                "The name may hold letters a to z, digits, dots, underscores, hyphens and spaces, and no space at its ends.",
                "Leave the other characters out.");
        RuleFor(n => n.Description).Cascade(CascadeMode.Stop)
            .MaximumLength(LongestDescription).RefusedAs("baseline.description.long", "The description is longer than 2000 characters.", "Shorten it.")
            .Must(Text.IsPlain).RefusedAs("baseline.description.characters", "The description holds control characters.", "Leave them out.");
        RuleFor(n => n.Kind)
            .Must(PolicyWords.AllKinds.Contains)
            .RefusedAs("baseline.kind", "A baseline is of one kind: firmware, hypervisor or runtime.", "Choose one of them.");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-](?:[A-Za-z0-9._ -]*[A-Za-z0-9._-])?\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Allowed();
}

/// <summary>What a reviewer says.</summary>
/// <param name="Comment">The comment, trimmed.</param>
public sealed record ReviewComment(string Comment);

/// <summary>What a reviewer's comment may be: at most 1000 characters; line breaks are fine, other control characters are not.</summary>
public sealed class CommentRules : AbstractValidator<ReviewComment>
{
    /// <summary>Longest comment, in characters.</summary>
    public const int Longest = 1000;

    /// <summary>For steps that need no reason.</summary>
    public static CommentRules Optional { get; } = new(required: false);

    /// <summary>For steps that do.</summary>
    public static CommentRules Required { get; } = new(required: true);

    private CommentRules(bool required)
    {
        if (required)
        {
            RuleFor(c => c.Comment).NotEmpty().RefusedAs("baseline.comment.empty", "The authors need to know why it is sent back.", "Write a comment.");
        }

        RuleFor(c => c.Comment)
            .MaximumLength(Longest).RefusedAs("baseline.comment.long", "The comment is longer than 1000 characters.", "Shorten it.")
            .Must(Text.IsPlain).RefusedAs("baseline.comment.characters", "The comment holds control characters.", "Leave them out.");
    }
}

/// <summary>What counts as text a person can read.</summary>
internal static class Text
{
    /// <summary>No control characters but line breaks and tabs, and no half surrogates.</summary>
    public static bool IsPlain(string text) => IsWellFormed(text) && !text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t'));

    /// <summary>No control characters at all.</summary>
    public static bool IsOneLine(string text) => IsWellFormed(text) && !text.Any(char.IsControl);

    private static bool IsWellFormed(string text)
    {
        // A lone surrogate has no UTF-8, so it would not hash to what was typed.
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                return false;
            }
        }

        return true;
    }
}
