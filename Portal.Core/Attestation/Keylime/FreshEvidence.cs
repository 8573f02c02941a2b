using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Waits for evidence of one host that began after the first look at it. The next success may be that of a quote that was under way then; the one
/// after it is not, because a verifier asks an agent for its next quote only when it is done with the last. Pure: no clock, no network.
/// </summary>
/// <param name="host">The host.</param>
internal sealed class FreshEvidence(BoundHost host)
{
    /// <summary>Successes it takes: one for what was under way.</summary>
    private const int Successes = 2;

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(60);

    private readonly KeylimeTracker own = new();
    private (long Count, DateTimeOffset Asked)? first;

    /// <summary>How long it is worth waiting: as long as the verifier takes for that, within limits.</summary>
    public TimeSpan Patience { get; private set; } = Least;

    /// <summary>What a look means.</summary>
    /// <param name="status">The verifier's word on the agent; null when it does not know it.</param>
    /// <param name="asked">When it was asked for, by our clock.</param>
    /// <param name="now">When it was answered, by our clock.</param>
    /// <returns>A statement that is to be given; null while it is worth waiting.</returns>
    public HostStatement? Read(AgentStatus? status, DateTimeOffset asked, DateTimeOffset now)
    {
        var statement = own.Read([host], _ => status, asked, now)[0];
        if (status?.Count is { } count && (first is null || count < first.Value.Count))
        {
            // Fewer than before: it was removed and enrolled anew.
            first = (count, asked);
        }

        if (status?.Period is { } period)
        {
            var whole = Successes * period + TimeSpan.FromSeconds(5);
            Patience = whole < Least ? Least : whole > Most ? Most : whole;
        }

        return statement switch
        {
            HostStatement.NothingNew or HostStatement.Trouble { Outcome: CheckOutcome.Queued } => null,
            HostStatement.Trusted yes when first is { } look && status!.Count - look.Count >= Successes =>
                yes with { AppearedAfter = look.Asked, VerifiedAt = yes.VerifiedAt < look.Asked ? yes.VerifiedAt : look.Asked },
            HostStatement.Trusted => null,
            _ => statement,
        };
    }
}
