using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>What became of a UEFI variable between what is approved and what was measured; for db, dbx and their like, entry by entry. Pure.</summary>
/// <param name="Name">The variable, as the event names it.</param>
/// <param name="Sentence">What changed, for a person.</param>
/// <param name="Added">Entries only the measured value has, one line each.</param>
/// <param name="Removed">Entries only the approved value has, one line each.</param>
public sealed record VariableChange(string Name, string Sentence, IReadOnlyList<string> Added, IReadOnlyList<string> Removed)
{
    /// <summary>Compares two values of one variable; null when they are of two variables, or equal.</summary>
    /// <param name="approved">As approved.</param>
    /// <param name="measured">As measured.</param>
    public static VariableChange? Between(UefiVariable approved, UefiVariable measured)
    {
        ArgumentNullException.ThrowIfNull(approved);
        ArgumentNullException.ThrowIfNull(measured);
        if (approved.Vendor != measured.Vendor || approved.Name != measured.Name || approved.Value.Span.SequenceEqual(measured.Value.Span))
        {
            return null;
        }

        return SignatureList.Entries(approved.Value) is { } before && SignatureList.Entries(measured.Value) is { } after && (before.Count > 0 || after.Count > 0)
            ? OfLists(measured.Name, before, after)
            : new VariableChange(measured.Name, $"{Named(measured.Name)} is {measured.Describe().Text}; approved is {approved.Describe().Text}.", [], []);
    }

    private static VariableChange OfLists(string name, IReadOnlyList<SignatureEntry> before, IReadOnlyList<SignatureEntry> after)
    {
        var (added, removed) = (Multiset.Beyond(after, before, e => e.Key), Multiset.Beyond(before, after, e => e.Key));
        var sentence = (added.Count, removed.Count) switch
        {
            (0, 0) => $"{Named(name)} holds the same entries in another order.",
            (var more, 0) => $"{Named(name)}: {Entries(more)} added to those approved.",
            (0, var fewer) => $"{Named(name)}: {Entries(fewer)} of those approved removed.",
            var (more, fewer) => $"{Named(name)}: {Entries(more)} added and {Entries(fewer)} removed, against those approved.",
        };
        return new VariableChange(name, sentence, SignatureList.Tell(added), SignatureList.Tell(removed));
    }

    private static string Entries(int count) => count == 1 ? "1 entry" : $"{count:N0} entries";

    private static string Named(string name) => name switch
    {
        "db" => "The list of allowed signatures (db)",
        "dbx" => "The list of revoked signatures (dbx)",
        "KEK" => "The list of keys that may change db and dbx (KEK)",
        "PK" => "The platform's owner key (PK)",
        "MokList" => "The list of machine owner keys (MokList)",
        "SecureBoot" => "Secure Boot",
        _ => name,
    };
}

/// <summary>A variable that was measured otherwise than approved, beside a log that shows what was approved.</summary>
/// <param name="Event">Its place in the host's log, from 0.</param>
/// <param name="Pcr">The PCR.</param>
/// <param name="Change">What changed.</param>
/// <param name="Source">Whose log shows what was approved: the host's own name, or another's.</param>
public sealed record ExplainedChange(int Event, int Pcr, VariableChange Change, string Source);
