using System.Text.Json.Serialization;
using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>How the entries of a host's measurement list stand against one approved runtime baseline, from its first entry up to a known place.</summary>
/// <param name="RevisionId">The revision; its content never changes.</param>
/// <param name="Checked">Entries looked at.</param>
/// <param name="Excluded">Of these, how many were not compared: those the baseline leaves out, and boot aggregates behind the first.</param>
/// <param name="Deviations">How many it does not allow.</param>
/// <param name="Listed">The first of them, at most <see cref="ImaAppraisal.MostListed"/>.</param>
public sealed record RuntimeStanding(Guid RevisionId, int Checked, int Excluded, int Deviations, IReadOnlyList<ImaDeviation> Listed)
{
    /// <summary>
    /// Whether all is approved, and something was looked at: a kernel without an IMA policy measures its boot aggregate and no file, and a host is
    /// not trusted for what it hides.
    /// </summary>
    [JsonIgnore]
    public bool Matches => Deviations == 0 && LooksAtFiles;

    /// <summary>Whether anything but the boot aggregate was compared.</summary>
    [JsonIgnore]
    public bool LooksAtFiles => Checked - Excluded > 1;

    /// <summary>The standing after more entries.</summary>
    public RuntimeStanding Then(ImaAppraisal more) => new(
        RevisionId, Checked + more.Checked, Excluded + more.Excluded, Deviations + more.Deviations, [.. Listed.Concat(more.Listed).Take(ImaAppraisal.MostListed)]);

    /// <summary>The standing before the first entry.</summary>
    public static RuntimeStanding Before(Guid revisionId) => new(revisionId, 0, 0, 0, []);
}

/// <summary>How far a host's measurement list was found in its PCR 10, and how that part stands. Kept by us, never taken from a host.</summary>
/// <param name="State">The boot, the place in the list and the value of PCR 10 there.</param>
/// <param name="Bytes">Length of that part of the list, in bytes.</param>
/// <param name="Standings">By revision.</param>
public sealed record RuntimeKnown(ImaState State, long Bytes, IReadOnlyDictionary<Guid, RuntimeStanding> Standings)
{
    /// <summary>Whether it tells how the host stands against every runtime baseline of a set.</summary>
    public bool Covers(ApprovedSet set) => set.Revisions.All(r => r.Content.Runtime is null || Standings.ContainsKey(r.RevisionId));
}

/// <summary>What an attempt found out about a host's measurement list, to be kept.</summary>
/// <param name="State">How far the list was found.</param>
/// <param name="StartsOver">Whether <paramref name="Segment"/> begins with the host's first entry and replaces what is kept.</param>
/// <param name="Segment">Entries found now, as the host sent them; empty when none.</param>
/// <param name="Count">How many they are.</param>
public sealed record RuntimeReport(ImaState State, bool StartsOver, ReadOnlyMemory<byte> Segment, int Count);
