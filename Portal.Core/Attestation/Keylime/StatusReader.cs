using System.Globalization;
using System.Text.Json;

namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier answers when all agents are asked for: their states, or only their ids where it does not know how to tell all at once.</summary>
/// <param name="Agents">States by id; empty where only ids came.</param>
/// <param name="Ids">Ids; null where states came.</param>
internal sealed record BulkAnswer(IReadOnlyDictionary<string, AgentStatus> Agents, IReadOnlyList<string>? Ids);

/// <summary>
/// Reads a verifier's states of agents in one pass, keeping only what is looked at: ten thousand agents are some 12 MB of JSON. A value of another
/// type than expected is missing, not an error; <see cref="JsonException"/> means the text is no JSON of this shape.
/// </summary>
internal static class StatusReader
{
    /// <summary>Longest text that is kept of any field, in characters.</summary>
    private const int LongestText = 300;

    /// <summary>Reads <c>GET agents/?bulk=true</c>.</summary>
    public static BulkAnswer Bulk(ReadOnlySpan<byte> body)
    {
        var agents = new Dictionary<string, AgentStatus>(StringComparer.Ordinal);
        List<string>? ids = null;
        var reader = new Utf8JsonReader(body);
        if (Results(ref reader))
        {
            while (Next(ref reader) is { } name)
            {
                if (reader.TokenType == JsonTokenType.StartArray && name is "uuids")
                {
                    ids = Ids(ref reader);
                }
                else if (reader.TokenType == JsonTokenType.StartObject && name.Length <= LongestText)
                {
                    agents[name] = Status(ref reader, name);
                }
                else
                {
                    reader.Skip();
                }
            }
        }
        else
        {
            throw new JsonException("It has no results.");
        }

        return new BulkAnswer(agents, ids);
    }

    /// <summary>Reads <c>GET agents/{id}</c>.</summary>
    public static AgentStatus One(ReadOnlySpan<byte> body, string id)
    {
        var reader = new Utf8JsonReader(body);
        return Results(ref reader) ? Status(ref reader, id) : throw new JsonException("It has no results.");
    }

    /// <summary>Moves into the object <c>results</c>; false when there is none.</summary>
    private static bool Results(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (Next(ref reader) is { } name)
        {
            if (name is "results")
            {
                return reader.TokenType == JsonTokenType.StartObject;
            }

            reader.Skip();
        }

        return false;
    }

    /// <summary>The next name of the object the reader is in, with the reader at its value; null at the object's end.</summary>
    private static string? Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.PropertyName)
        {
            return null;
        }

        var name = reader.GetString();
        return reader.Read() ? name : null;
    }

    private static List<string> Ids(ref Utf8JsonReader reader)
    {
        // The verifier wraps each id in a list of its own; the registrar does not.
        var ids = new List<string>();
        var depth = reader.CurrentDepth;
        while (reader.Read() && !(reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == depth))
        {
            if (reader.TokenType == JsonTokenType.String && reader.CurrentDepth <= depth + 2 && Text(ref reader) is { } id)
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    private static AgentStatus Status(ref Utf8JsonReader reader, string id)
    {
        long? state = null, count = null, success = null, received = null, port = null, refState = null, runtime = null;
        string? word = null, eventId = null, period = null, ip = null, hash = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = Field(ref reader);
            reader.Read();
            switch (field)
            {
                case 1: state = Number(ref reader); break;
                case 2: word = Text(ref reader); break;
                case 3: count = Number(ref reader); break;
                case 4: success = Number(ref reader); break;
                case 5: eventId = Text(ref reader); break;
                case 6: period = Text(ref reader); break;
                case 7: ip = Text(ref reader); break;
                case 8: port = Number(ref reader); break;
                case 9: hash = Text(ref reader); break;
                case 10: refState = Number(ref reader); break;
                case 11: runtime = Number(ref reader); break;
                case 12: received = Number(ref reader); break;
                default: break;
            }

            reader.Skip();
        }

        return new AgentStatus(id)
        {
            State = state is >= int.MinValue and <= int.MaxValue ? (int)state : null,
            Word = word,
            Count = count,
            Success = success > 0 ? success : null,
            Received = received > 0 ? received : null,
            EventId = eventId,
            Period = Seconds(period),
            Ip = ip ?? "",
            Port = port is > 0 and <= ushort.MaxValue ? (int)port : null,
            HashAlgorithm = hash ?? "",
            HasRefState = refState is not (null or 0),
            HasRuntimePolicy = runtime is not (null or 0),
        };
    }

    private static int Field(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("operational_state"u8) ? 1
        : reader.ValueTextEquals("attestation_status"u8) ? 2
        : reader.ValueTextEquals("attestation_count"u8) ? 3
        : reader.ValueTextEquals("last_successful_attestation"u8) ? 4
        : reader.ValueTextEquals("last_event_id"u8) ? 5
        : reader.ValueTextEquals("attestation_period"u8) ? 6
        : reader.ValueTextEquals("ip"u8) ? 7
        : reader.ValueTextEquals("port"u8) ? 8
        : reader.ValueTextEquals("hash_alg"u8) ? 9
        : reader.ValueTextEquals("has_mb_refstate"u8) ? 10
        : reader.ValueTextEquals("has_runtime_policy"u8) ? 11
        : reader.ValueTextEquals("last_received_quote"u8) ? 12
        : 0;

    private static long? Number(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt64(out var whole) => whole,
        JsonTokenType.Number when reader.TryGetDouble(out var broken) && Math.Abs(broken) < 1e15 => (long)broken,
        JsonTokenType.True => 1,
        JsonTokenType.False => 0,
        JsonTokenType.String when Text(ref reader) is { } text && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var said) => said,
        _ => null,
    };

    private static string? Text(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= LongestText ? reader.GetString() : null;

    private static TimeSpan? Seconds(string? text) =>
        text is [.. var number, 's'] && double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 1e6
            ? TimeSpan.FromSeconds(seconds)
            : null;
}
