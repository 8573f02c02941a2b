namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier says of one agent, as far as it is looked at. Anything may be missing: older servers say less, and times are null after upgrades.</summary>
/// <param name="Id">The agent's id.</param>
internal sealed record AgentStatus(string Id)
{
    /// <summary><c>operational_state</c>; null when it is no number.</summary>
    public int? State { get; init; }

    /// <summary><c>attestation_status</c>; null before 7.14.0.</summary>
    public string? Word { get; init; }

    /// <summary><c>attestation_count</c>: successes since it was enrolled.</summary>
    public long? Count { get; init; }

    /// <summary><c>last_successful_attestation</c>, seconds since 1970 by the server's clock; null for never.</summary>
    public long? Success { get; init; }

    /// <summary><c>last_received_quote</c>, on the same clock; later than <see cref="Success"/> when the last quote was no success. Null for never.</summary>
    public long? Received { get; init; }

    /// <summary><c>last_event_id</c>: the tag of the worst failure it ever had. It stays after recovery.</summary>
    public string? EventId { get; init; }

    /// <summary><c>attestation_period</c>; null before 7.14.0.</summary>
    public TimeSpan? Period { get; init; }

    /// <summary>Where the agent listens; empty for one that only sends.</summary>
    public string Ip { get; init; } = "";

    /// <summary>The port it listens on.</summary>
    public int? Port { get; init; }

    /// <summary><c>hash_alg</c>: empty for one that only sends, and before the first quote.</summary>
    public string HashAlgorithm { get; init; } = "";

    /// <summary>Whether it has a measured-boot policy.</summary>
    public bool HasRefState { get; init; }

    /// <summary>Whether it has a runtime policy.</summary>
    public bool HasRuntimePolicy { get; init; }

    /// <summary>Whether it sends by itself (push mode): its state is then 3 whatever happens.</summary>
    public bool IsPush => Ip.Length == 0 && Port is null && HashAlgorithm.Length == 0;
}

/// <summary><c>operational_state</c>. Source: keylime/common/states.py.</summary>
internal static class AgentState
{
    public const int Registered = 0;
    public const int Start = 1;
    public const int Saved = 2;
    public const int GetQuote = 3;
    public const int GetQuoteRetry = 4;
    public const int ProvideV = 5;
    public const int ProvideVRetry = 6;
    public const int Failed = 7;
    public const int Terminated = 8;
    public const int InvalidQuote = 9;
    public const int Stopped = 10;

    /// <summary>A few words for a list.</summary>
    public static string Words(AgentStatus status) => status.IsPush
        ? status.Word switch
        {
            "PASS" => "sends by itself, passed last",
            "FAIL" => "sends by itself, failed",
            "TIMEOUT" => "sends by itself, silent",
            _ => "sends by itself",
        }
        : status.State switch
        {
            Registered or Start or Saved => "waits for its first turn",
            GetQuote or GetQuoteRetry or ProvideV or ProvideVRetry => "is verified",
            Failed => "not verified: did not answer",
            Terminated => "being removed",
            InvalidQuote => "failed verification",
            Stopped => "stopped",
            _ => "in an unknown state",
        };
}
