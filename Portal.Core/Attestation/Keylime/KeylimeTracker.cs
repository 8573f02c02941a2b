using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Makes statements of what a verifier says, from one poll to the next. Pure: no clock, no network. A label is never believed: a host is trusted only
/// where the count of its successes grew between two polls, and only from the start of the earlier of both on, or from the server's own stamp if that is
/// earlier. Success that a failure followed is none, even where the agent was reactivated before anybody looked.
/// </summary>
internal sealed class KeylimeTracker
{
    /// <summary>How long nothing new is ordinary; three of the server's own intervals where those are longer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Last second that a date can name.</summary>
    private const long MostSeconds = 253402300799;

    private static readonly TimeSpan Forgets = TimeSpan.FromDays(1);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Seen> seen = new(StringComparer.Ordinal);

    /// <summary>
    /// What this poll means for each host. A look at an agent that was asked for before another one that is known already says nothing of it.
    /// </summary>
    /// <param name="hosts">The hosts.</param>
    /// <param name="statusOf">The verifier's word on an agent; null when it does not know it.</param>
    /// <param name="asked">When the poll was asked for, by our clock.</param>
    /// <param name="now">When it was answered, by our clock.</param>
    public IReadOnlyList<HostStatement> Read(IReadOnlyList<BoundHost> hosts, Func<string, AgentStatus?> statusOf, DateTimeOffset asked, DateTimeOffset now)
    {
        var said = new Dictionary<string, Judged>(hosts.Count, StringComparer.Ordinal);
        var statements = new List<HostStatement>(hosts.Count);
        lock (gate)
        {
            foreach (var host in hosts)
            {
                if (!said.TryGetValue(host.Name, out var judged))
                {
                    said[host.Name] = judged = See(host.Name, statusOf(host.Name), asked, now);
                }

                statements.Add(judged.IsOvertaken ? new HostStatement.NothingNew(host.HostId) : Statement(host, judged, now));
            }

            foreach (var gone in seen.Where(s => now - s.Value.Asked > Forgets).Select(s => s.Key).ToList())
            {
                seen.Remove(gone);
            }
        }

        return statements;
    }

    private Judged See(string name, AgentStatus? status, DateTimeOffset asked, DateTimeOffset now)
    {
        seen.TryGetValue(name, out var before);
        if (before is not null && asked < before.Asked && before.Asked <= now)
        {
            return new Judged(null, null, now, false) { IsOvertaken = true };
        }

        if (status?.Count is not { } count)
        {
            // Away or silent about it: what comes after is a new beginning.
            seen.Remove(name);
            return new Judged(status, null, now, false);
        }

        var grew = before is not null && Grew(before, status, count);

        // Fewer than before: it was removed and enrolled anew. From there it is counted again.
        var newSince = grew || before is null || count < before.Count ? now : before.NewAt;
        seen[name] = new Seen(count, status.Success, status.Received, status.EventId, HasFailed(status), asked, newSince);
        var appearedAfter = grew && !FailedSince(before!, status) ? Earliest(before!.Asked, asked, now) : (DateTimeOffset?)null;
        return new Judged(status, appearedAfter, newSince, before is not null && IsNewFailure(before, status));
    }

    /// <summary>A success without a stamp, or stamped before the last one, is none that could be dated.</summary>
    private static bool Grew(Seen before, AgentStatus status, long count) =>
        count > before.Count && status.Success is { } success && success <= MostSeconds && success >= (before.Success ?? 0);

    /// <summary>
    /// Whether a failure may have come after the success that is new: an agent that is reactivated shows state 3 again, though its last quote did
    /// not match. One that sends by itself keeps its FAIL. A server that does not say when it received the last quote may show another tag of a failure.
    /// </summary>
    private static bool FailedSince(Seen before, AgentStatus status) => !status.IsPush
        && (status.Received is { } received ? received > status.Success : !string.Equals(status.EventId, before.EventId, StringComparison.Ordinal));

    private static bool HasFailed(AgentStatus status) => status.IsPush ? status.Word == "FAIL" : status.State == AgentState.InvalidQuote;

    /// <summary>Whether a failure is another than the one that was seen before: nothing is verified while an agent stays failed.</summary>
    private static bool IsNewFailure(Seen before, AgentStatus status) =>
        !before.HasFailed || status.Received > (before.Received ?? 0) || status.Count > before.Count;

    private static HostStatement Statement(BoundHost host, Judged judged, DateTimeOffset now) => judged.Status switch
    {
        null => new HostStatement.Trouble(host.HostId, CheckOutcome.NotConfigured, KeylimeWords.NotEnrolled(host.Name)),
        { IsPush: true } status => Sent(host.HostId, status, judged, now),
        { } status => Polled(host.HostId, status, judged, now),
    };

    /// <summary>Push mode: the state is 3 whatever happens, so only the word tells, and a PASS may be days old.</summary>
    private static HostStatement Sent(Guid id, AgentStatus status, Judged judged, DateTimeOffset now) => status.Word switch
    {
        "PASS" => GoingOn(id, status, judged, now),
        "FAIL" => new HostStatement.Untrusted(id, [KeylimeWords.PushFailed()]) { IsNew = judged.IsNewFailure },
        "TIMEOUT" => new HostStatement.Trouble(id, CheckOutcome.AgentUnreachable, KeylimeWords.SentNothing()),
        "PENDING" => new HostStatement.Trouble(id, CheckOutcome.Queued, KeylimeWords.Queued()),
        _ => new HostStatement.Trouble(id, CheckOutcome.ProtocolError, KeylimeWords.UnknownWord(status.Word)),
    };

    private static HostStatement Polled(Guid id, AgentStatus status, Judged judged, DateTimeOffset now) => status.State switch
    {
        AgentState.Registered or AgentState.Start or AgentState.Saved => new HostStatement.Trouble(id, CheckOutcome.Queued, KeylimeWords.Queued()),
        AgentState.GetQuote or AgentState.GetQuoteRetry or AgentState.ProvideV => status.Word switch
        {
            null or "PASS" => GoingOn(id, status, judged, now),
            "TIMEOUT" => new HostStatement.Trouble(id, CheckOutcome.AgentUnreachable, KeylimeWords.SentNothing()),
            _ => new HostStatement.Trouble(id, CheckOutcome.ProtocolError, KeylimeWords.UnknownWord(status.Word)),
        },
        AgentState.ProvideVRetry => new HostStatement.NothingNew(id),
        AgentState.Failed => KeylimeWords.GaveUp(id, status.EventId),
        AgentState.Terminated => new HostStatement.Trouble(id, CheckOutcome.NotConfigured, KeylimeWords.Removing()),
        AgentState.InvalidQuote => new HostStatement.Untrusted(id, [KeylimeWords.Mismatch(status.EventId)]) { IsNew = judged.IsNewFailure },
        AgentState.Stopped => new HostStatement.Trouble(id, CheckOutcome.NotConfigured, KeylimeWords.Stopped()),
        _ => new HostStatement.Trouble(id, CheckOutcome.ProtocolError, KeylimeWords.UnknownState(status.State)),
    };

    private static HostStatement GoingOn(Guid id, AgentStatus status, Judged judged, DateTimeOffset now)
    {
        if (status.Count is null)
        {
            return new HostStatement.Trouble(id, CheckOutcome.ProtocolError, KeylimeWords.NoCount());
        }

        if (judged.AppearedAfter is { } after)
        {
            return new HostStatement.Trusted(id, Earliest(after, DateTimeOffset.FromUnixTimeSeconds(status.Success!.Value)), []) { AppearedAfter = after };
        }

        var longest = status.Period is { } period && 3 * period > Patience ? 3 * period : Patience;
        var silent = now - judged.NewSince;
        return silent > longest
            ? new HostStatement.Trouble(id, CheckOutcome.AgentUnreachable, KeylimeWords.Silent(silent, status.Word))
            : new HostStatement.NothingNew(id);
    }

    private static DateTimeOffset Earliest(params ReadOnlySpan<DateTimeOffset> times)
    {
        var earliest = times[0];
        foreach (var time in times)
        {
            earliest = time < earliest ? time : earliest;
        }

        return earliest;
    }

    /// <summary>An agent as the last poll left it.</summary>
    private sealed record Seen(long Count, long? Success, long? Received, string? EventId, bool HasFailed, DateTimeOffset Asked, DateTimeOffset NewAt);

    /// <summary>What one poll tells of an agent.</summary>
    private sealed record Judged(AgentStatus? Status, DateTimeOffset? AppearedAfter, DateTimeOffset NewSince, bool IsNewFailure)
    {
        /// <summary>A later look is known already.</summary>
        public bool IsOvertaken { get; init; }
    }
}
