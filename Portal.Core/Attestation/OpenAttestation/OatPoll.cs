using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>What a server said of one host.</summary>
/// <param name="Name">The host's name there.</param>
/// <param name="Level">Its <c>trust_lvl</c>; not yet harmless.</param>
/// <param name="Stamp">Its <c>vtime</c>, where that names a moment.</param>
/// <param name="Details">1.7: what its checks said.</param>
internal sealed record OatWord(string Name, string Level, DateTimeOffset? Stamp, IReadOnlyList<OatDetail> Details);

/// <summary>What one check of a 1.7 server said.</summary>
/// <param name="Name">For example <c>VALIDATE_PCR</c>.</param>
/// <param name="Passed">Whether it passed; null when it did not complete.</param>
/// <param name="Output">Its words; not yet harmless.</param>
internal sealed record OatDetail(string Name, bool? Passed, string Output);

/// <summary>
/// Asks about hosts. A 1.x server is never given a <c>timeThreshold</c>: with one it answers at once from what it had. Without, and with any 2.x
/// server, the answer comes after each host was measured, so that the start of the request is when its evidence began.
/// </summary>
/// <param name="wire">The way to the server.</param>
/// <param name="dialects">Which dialect it speaks.</param>
/// <param name="time">Our clock.</param>
internal sealed class OatPoll(OatWire wire, OatDialects dialects, TimeProvider time)
{
    /// <summary>Hosts asked about in one request: a server asks all of them at the same time.</summary>
    public const int BatchSize = 64;

    /// <summary>A server waits up to 50 s for agents (1.x) or 60 s for each (2.x).</summary>
    private static readonly TimeSpan MeasuresWithin = TimeSpan.FromSeconds(90);

    /// <summary>Has hosts measured.</summary>
    /// <param name="names">At most <see cref="BatchSize"/>.</param>
    /// <param name="withChecks">Whether a 1.7 server is to say what its checks found.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>When they were asked, and a word on each that the server answered for.</returns>
    public async Task<(DateTimeOffset Asked, DateTimeOffset? Date, IReadOnlyDictionary<string, OatWord> Words)> AskAsync(IReadOnlyList<string> names, bool withChecks, CancellationToken ct)
    {
        var dialect = await dialects.OfAsync(ct);
        var body = new Dictionary<string, object>(StringComparer.Ordinal) { ["hosts"] = names };
        if (dialect == OatDialect.Second)
        {
            body["count"] = names.Count;
        }
        else if (withChecks)
        {
            (body["PCRmask"], body["analysisType"]) = ("FFFFFF", "VALIDATE_PCR;COMPARE_REPORT");
        }

        var asked = time.GetUtcNow();
        var answer = await wire.SendAsync(HttpMethod.Post, OatPaths.PollHosts, body, ct, wire.Timeout > MeasuresWithin ? wire.Timeout : MeasuresWithin);
        if (answer.Fault is { } fault)
        {
            dialects.Forget();
            throw wire.Explain(dialect, fault);
        }

        return (asked, answer.Date, wire.Read(answer, Read));
    }

    /// <summary>Reads an answer. Of a host that is named twice, which happens with names that differ in case, the worse word counts.</summary>
    /// <exception cref="JsonException">It has another shape.</exception>
    internal static IReadOnlyDictionary<string, OatWord> Read(JsonElement answer)
    {
        if (OatJson.Member(answer, "hosts") is not { } hosts)
        {
            throw new JsonException("no hosts");
        }

        var words = new Dictionary<string, OatWord>(StringComparer.OrdinalIgnoreCase);
        foreach (var host in OatJson.List(answer, "hosts"))
        {
            var details = OatJson.List(host, "analysis_details").Select(d => new OatDetail(
                OatJson.Text(d, "name"),
                OatJson.Text(d, "status") is "" or "ANALYSIS_COMPLETED" ? OatJson.Truth(d, "result") : null,
                OatJson.Text(d, "output"))).ToList();
            var word = new OatWord(OatJson.Text(host, "host_name"), OatJson.Text(host, "trust_lvl"), OatStamp.Read(OatJson.Text(host, "vtime")), details);
            if (word.Name.Length > 0 && (!words.TryGetValue(word.Name, out var before) || before.Level == "trusted"))
            {
                words[word.Name] = word;
            }
        }

        return hosts.ValueKind is JsonValueKind.Array or JsonValueKind.Object ? words : throw new JsonException("hosts are no list");
    }

    /// <summary>What a word means; null for untrusted, which wants a reason first.</summary>
    public static HostStatement? Meaning(BoundHost host, OatWord? word, DateTimeOffset asked) => word?.Level switch
    {
        "trusted" => new HostStatement.Trusted(host.HostId, word.Stamp < asked ? word.Stamp.Value : asked, []),
        "untrusted" => null,
        null or "unknown" => new HostStatement.Trouble(host.HostId, CheckOutcome.NotConfigured, OatWords.Unknown(host.Name)),
        "timeout" => new HostStatement.Trouble(host.HostId, CheckOutcome.AgentUnreachable, OatWords.Timeout()),
        "pending" => new HostStatement.Trouble(host.HostId, CheckOutcome.Queued, OatWords.Pending()),
        var odd => new HostStatement.Trouble(host.HostId, CheckOutcome.ProtocolError, OatWords.Odd(odd)),
    };
}
