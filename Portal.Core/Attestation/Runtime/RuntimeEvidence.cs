using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>What checked evidence says of a running host: the entries a quote vouches for, or why none are.</summary>
public sealed class RuntimeEvidence
{
    private readonly IReadOnlyDictionary<Guid, RuntimeStanding> known;
    private readonly Dictionary<Guid, RuntimeStanding> standings = [];

    private RuntimeEvidence(ImaVerified? verified, IReadOnlyDictionary<Guid, RuntimeStanding> known, string? fault) =>
        (Verified, this.known, Fault) = (verified, known, fault);

    /// <summary>Entries found now; null when the list was not read again, or could not be.</summary>
    public ImaVerified? Verified { get; }

    /// <summary>Why the list says nothing; null when it does.</summary>
    public string? Fault { get; }

    /// <summary>Entries that were just found in PCR 10.</summary>
    /// <param name="verified">What was found.</param>
    /// <param name="before">Standings up to the first of them; not looked at when that is the host's first.</param>
    public static RuntimeEvidence Of(ImaVerified verified, IReadOnlyDictionary<Guid, RuntimeStanding>? before) => new(verified, before ?? new Dictionary<Guid, RuntimeStanding>(), null);

    /// <summary>Entries that were found and looked at before.</summary>
    public static RuntimeEvidence Of(RuntimeKnown known) => new(null, known.Standings, null);

    /// <summary>A list that proves nothing.</summary>
    public static RuntimeEvidence Refused(string why) => new(null, new Dictionary<Guid, RuntimeStanding>(), why);

    /// <summary>How the host stands against a runtime baseline; null when that cannot be told from what is at hand.</summary>
    public RuntimeStanding? Stand(ApprovedRevision revision)
    {
        if (Fault is not null || CompiledBaseline.Of(revision).Files is not { } files)
        {
            return null;
        }

        if (standings.TryGetValue(revision.RevisionId, out var done))
        {
            return done;
        }

        var before = known.GetValueOrDefault(revision.RevisionId);
        var now = Verified switch
        {
            null => before,
            { Position: 0 } whole => RuntimeStanding.Before(revision.RevisionId).Then(ImaAppraisal.Of(whole, files)),
            var more => before?.Then(ImaAppraisal.Of(more, files)),
        };
        if (now is not null)
        {
            standings[revision.RevisionId] = now;
        }

        return now;
    }
}
