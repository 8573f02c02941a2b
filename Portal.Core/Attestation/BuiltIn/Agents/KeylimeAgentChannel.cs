using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>
/// Asks keylime agents that registered with us (pull mode, versions 2.1 to 2.6) over mutual TLS. The agent is believed by the certificate it
/// registered with and no other; what it answers is evidence to be checked, nothing more.
/// </summary>
/// <param name="contacts">Where agents are.</param>
/// <param name="connections">The way there.</param>
public sealed class KeylimeAgentChannel(AgentContacts contacts, AgentConnections connections) : IAttesterChannel
{
    /// <summary>The longest answer that is read, in bytes: an event log of <see cref="EvidenceCheck.LongestLog"/> in base64, and room for the rest.</summary>
    public const int LongestAnswer = AgentConnections.Ordinary;

    /// <summary>The longest answer that is read when the kernel's measurement list was asked for, in bytes.</summary>
    public const int LongestWithMeasurements = LongestAnswer + (18 << 20);

    /// <summary>What all answers take together beyond <see cref="LongestAnswer"/>, in bytes.</summary>
    public const long LongAnswers = 256L << 20;

    private static readonly int[] Minors = [6, 5, 4, 3, 2, 1];

    private readonly ConcurrentDictionary<Guid, int> spoken = new();
    private readonly AnswerBudget longAnswers = new(LongAnswers);

    /// <inheritdoc/>
    public IReadOnlyList<int> AlwaysQuotes { get; } = [AgentAnswer.OwnKeyPcr];

    /// <inheritdoc/>
    public bool Reaches(HostEndpoint host) => contacts.Has(host.Id);

    /// <inheritdoc/>
    public async ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct)
    {
        if (contacts.Of(host.Id) is not { } contact)
        {
            return new ChannelAnswer.Silent($"No agent is registered for {host.Name}.");
        }

        try
        {
            return await QuoteAsync(host, contact, request, ct);
        }
        catch (Exception fault) when (AgentConnections.IsTrouble(fault, ct))
        {
            return new ChannelAnswer.Silent(AgentConnections.Words(fault, contact));
        }
    }

    /// <inheritdoc/>
    /// <remarks>Agents that registered themselves are enrolled from their registration, not by asking them.</remarks>
    public ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct) => ValueTask.FromResult<AttesterIdentity?>(null);

    private async Task<ChannelAnswer> QuoteAsync(HostEndpoint host, AgentContact contact, QuoteRequest request, CancellationToken ct)
    {
        var (known, asked) = await MinorAsync(host.Id, contact, ct);
        if (known is not { } minor)
        {
            return asked == HttpStatusCode.OK ? new ChannelAnswer.Garbled("it speaks no version between 2.1 and 2.6.") : Silent(asked);
        }

        var mask = request.Pcrs.Aggregate(0u, (bits, pcr) => bits | 1u << pcr);
        var query = FormattableString.Invariant($"/v2.{minor}/quotes/integrity?nonce={request.Nonce}&mask=0x{mask:x}&partial=0");
        using var share = longAnswers.Take();
        var longest = LongestAnswer;
        if (request.MeasurementsFrom is { } first)
        {
            query += FormattableString.Invariant($"&ima_ml_entry={first}");
            longest = LongestWithMeasurements;
        }

        var (status, body) = await connections.GetAsync(host.Id, contact, query, longest, share, ct);
        switch (status)
        {
            case HttpStatusCode.OK when body is not null:
                var (evidence, fault) = AgentAnswer.Read(body, (TpmAlgorithm)request.Bank);
                return evidence is null
                    ? new ChannelAnswer.Garbled($"{fault}.")
                    : new ChannelAnswer.Answered(evidence with
                    {
                        EventLog = request.WithEventLog ? evidence.EventLog : null,
                        Measurements = request.MeasurementsFrom is null ? null : evidence.Measurements,
                    });
            case HttpStatusCode.OK when request.MeasurementsFrom is not null:
                return new ChannelAnswer.ListTooLong($"The measurement list makes the host's answer longer than {longest >> 20} MiB, more than is read.");
            case HttpStatusCode.OK:
                return new ChannelAnswer.Garbled($"its answer has more than {longest >> 20} MiB.");
            case HttpStatusCode.NotFound:
                // It may have been updated meanwhile.
                spoken.TryRemove(host.Id, out _);
                return new ChannelAnswer.Silent("It does not know the question; its version is asked for again.");
            case HttpStatusCode.InternalServerError:
                return new ChannelAnswer.TpmFailed("The agent could not make a quote (status 500).");
            default:
                return Silent(status);
        }
    }

    private static ChannelAnswer.Silent Silent(HttpStatusCode status) => new($"It answered with status {((int)status).ToString(CultureInfo.InvariantCulture)}.");

    /// <summary>The newest minor version of 2 both speak, and the status that came with it; an agent that is starting up may say another than 200.</summary>
    private async Task<(int? Minor, HttpStatusCode Status)> MinorAsync(Guid hostId, AgentContact contact, CancellationToken ct)
    {
        if (spoken.TryGetValue(hostId, out var known))
        {
            return (known, HttpStatusCode.OK);
        }

        var (status, body) = await connections.GetAsync(hostId, contact, "/version", 64 << 10, null, ct);
        if (status != HttpStatusCode.OK || body is null || VersionIn(body) is not { } minor)
        {
            return (null, status);
        }

        return (spoken[hostId] = minor, status);
    }

    /// <summary>An agent names the one version it speaks best, or all it speaks.</summary>
    internal static int? VersionIn(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 6 });
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("results", out var results) || results.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            var words = new HashSet<string>(StringComparer.Ordinal);
            foreach (var name in new[] { "supported_version", "current_version", "supported_versions" })
            {
                if (results.TryGetProperty(name, out var value))
                {
                    words.UnionWith(value.ValueKind == JsonValueKind.Array
                        ? value.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!)
                        : value.ValueKind == JsonValueKind.String ? [value.GetString()!] : []);
                }
            }

            return Minors.Cast<int?>().FirstOrDefault(m => words.Contains(FormattableString.Invariant($"2.{m}")));
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
