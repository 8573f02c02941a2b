using System.Text.RegularExpressions;

namespace Portal.Core.Inventory;

/// <summary>What a host may be called.</summary>
public static partial class HostNames
{
    /// <summary>Longest name, in characters.</summary>
    public const int Longest = 255;

    /// <summary>What is wrong with a name; null when nothing is.</summary>
    public static Refusal? Fault(string name) => name.Length switch
    {
        0 => Refusal.Invalid("host.name.empty", "name", "A host needs a name.", "Give it the name people know it by."),
        > Longest => Refusal.Invalid("host.name.long", "name", $"The name is longer than {Longest} characters.", "Shorten it."),
        _ => Allowed().IsMatch(name)
            ? null
            : Refusal.Invalid("host.name.characters", "name", "A name has letters a to z, digits, dots, underscores and hyphens, and begins with a letter or digit.", "Leave the other characters out."),
    };

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Allowed();
}
