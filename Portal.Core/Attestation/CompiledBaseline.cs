using System.Runtime.CompilerServices;
using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>The content of an approved revision with its digests as bytes, ready to be compared with many hosts.</summary>
public sealed class CompiledBaseline
{
    private static readonly ConditionalWeakTable<BaselineContent, CompiledBaseline> Compiled = [];

    private CompiledBaseline(BaselineContent content)
    {
        Bank = (TpmAlgorithm)content.Bank;
        Pcrs = [.. content.Pcrs.Select(p => new CompiledPcr(p))];
        foreach (var pcr in Pcrs)
        {
            Mask |= 1u << pcr.Reference.Pcr;
            ByEvent |= pcr.Reference.IsByEvent ? 1u << pcr.Reference.Pcr : 0;
        }

        // What was approved compiled when it was saved; should it not, nothing matches it.
        Files = content.Runtime?.Compile() is { Succeeded: true } compiled ? compiled.Value : null;
    }

    /// <summary>Its PCR bank.</summary>
    public TpmAlgorithm Bank { get; }

    /// <summary>PCRs it covers.</summary>
    public uint Mask { get; }

    /// <summary>PCRs it appraises event by event.</summary>
    public uint ByEvent { get; }

    /// <summary>What it says of each PCR.</summary>
    public IReadOnlyList<CompiledPcr> Pcrs { get; }

    /// <summary>For a runtime baseline, what hosts may use; null for all others.</summary>
    public ImaReference? Files { get; }

    /// <summary>Compiles a revision's content; approved content never changes, so it is compiled once.</summary>
    public static CompiledBaseline Of(ApprovedRevision revision) =>
        Compiled.GetValue(revision.Content, static content => new CompiledBaseline(content));
}

/// <summary>What a revision says of one PCR, as bytes.</summary>
/// <param name="reference">As written.</param>
public sealed class CompiledPcr(PcrReference reference)
{
    private readonly byte[][] digests = reference.IsByEvent ? [] : [.. reference.Digests.Select(Convert.FromHexString)];
    private readonly (byte[][] Digests, bool Optional)[] events =
        reference.IsByEvent ? [.. reference.Events.Select(e => (e.Digests.Select(Convert.FromHexString).ToArray(), e.Optional))] : [];

    /// <summary>As written.</summary>
    public PcrReference Reference => reference;

    /// <summary>Whether the PCR's whole value is an approved one.</summary>
    public bool MatchesValue(ReadOnlySpan<byte> value) => Contains(digests, value);

    /// <summary>Whether event number <paramref name="index"/> of this baseline approves a digest.</summary>
    public bool Approves(int index, ReadOnlySpan<byte> digest) => Contains(events[index].Digests, digest);

    /// <summary>Whether the measured events are the approved ones, in order, optional ones present or not.</summary>
    public bool MatchesEvents(IReadOnlyList<MeasuredEvent> measured)
    {
        // States are positions in the list of approved events. One is alive but where optional events look like their neighbours.
        var at = 0;
        for (var i = 0; i < measured.Count; i++)
        {
            if (at < events.Length && !events[at].Optional)
            {
                if (!Contains(events[at].Digests, measured[i].Digest.Span))
                {
                    return false;
                }

                at++;
                continue;
            }

            return MatchesFrom(at, measured, i);
        }

        return OnlyOptionalFrom(at);
    }

    private bool MatchesFrom(int at, IReadOnlyList<MeasuredEvent> measured, int from)
    {
        var alive = new HashSet<int> { at };
        for (var i = from; i < measured.Count && alive.Count > 0; i++)
        {
            alive = [.. alive.SelectMany(state => After(state, measured[i].Digest))];
        }

        return alive.Any(OnlyOptionalFrom);
    }

    private IEnumerable<int> After(int at, ReadOnlyMemory<byte> digest)
    {
        for (; at < events.Length; at++)
        {
            if (Contains(events[at].Digests, digest.Span))
            {
                yield return at + 1;
            }

            if (!events[at].Optional)
            {
                yield break;
            }
        }
    }

    private bool OnlyOptionalFrom(int at)
    {
        for (; at < events.Length; at++)
        {
            if (!events[at].Optional)
            {
                return false;
            }
        }

        return true;
    }

    private static bool Contains(byte[][] digests, ReadOnlySpan<byte> digest)
    {
        foreach (var approved in digests)
        {
            if (digest.SequenceEqual(approved))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>An event that was extended into a PCR, with its digest in the bank of the appraisal.</summary>
/// <param name="Entry">The event as logged.</param>
/// <param name="Digest">Its digest.</param>
public readonly record struct MeasuredEvent(EventLogEntry Entry, ReadOnlyMemory<byte> Digest);
