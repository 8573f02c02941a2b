using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Portal.Core.Inventory;

/// <summary>Who keeps what an attestation server trusts hosts by.</summary>
public enum PolicyKeeper
{
    /// <summary>The portal: approved baselines are published to the server, and its word counts only while it keeps exactly those.</summary>
    Portal,

    /// <summary>The server: its word counts whatever it was told by whoever can reach it. No second person stands behind that.</summary>
    Server,
}

/// <summary>One attestation service a cluster names.</summary>
/// <param name="ServiceId">The service; <see cref="ServiceSet.BuiltInId"/> for the verifier of our own.</param>
/// <param name="Keeper">Who keeps what it trusts hosts by; the portal for the verifier of our own.</param>
public sealed record ServiceChoice(Guid ServiceId, PolicyKeeper Keeper = PolicyKeeper.Portal);

/// <summary>The attestation services of a cluster, each at most once: a host is trusted only when every one of them trusts it. Equal when they name the same.</summary>
[JsonConverter(typeof(Json))]
public sealed class ServiceSet : IReadOnlyList<ServiceChoice>, IEquatable<ServiceSet>
{
    /// <summary>The id of the verifier of our own, the same in every database.</summary>
    public static readonly Guid BuiltInId = new("b0117000-0000-7000-8000-000000000001");

    private readonly ServiceChoice[] choices;

    /// <summary>These services.</summary>
    /// <exception cref="ArgumentException">One is named twice.</exception>
    public ServiceSet(params IEnumerable<ServiceChoice> choices)
    {
        this.choices = [.. choices.OrderBy(c => c.ServiceId != BuiltInId).ThenBy(c => c.ServiceId)];
        if (this.choices.Select(c => c.ServiceId).Distinct().Count() != this.choices.Length)
        {
            throw new ArgumentException("A service is named twice.", nameof(choices));
        }
    }

    /// <summary>Only the verifier of our own: what a cluster begins with.</summary>
    public static ServiceSet BuiltIn { get; } = new(new ServiceChoice(BuiltInId));

    /// <inheritdoc/>
    public int Count => choices.Length;

    /// <inheritdoc/>
    public ServiceChoice this[int index] => choices[index];

    /// <summary>Whether the verifier of our own is among them.</summary>
    public bool HasBuiltIn => Of(BuiltInId) is not null;

    /// <summary>The servers among them.</summary>
    public IEnumerable<ServiceChoice> Outside => choices.Where(c => c.ServiceId != BuiltInId);

    /// <summary>The choice of a service; null when it is not among them.</summary>
    public ServiceChoice? Of(Guid serviceId) => Array.Find(choices, c => c.ServiceId == serviceId);

    /// <summary>Whether the other set asks less: a service of this one is missing there, or one keeps there what is kept here by the portal.</summary>
    public bool IsLoosenedBy(ServiceSet other) =>
        Array.Exists(choices, mine => other.Of(mine.ServiceId) is not { } theirs || (mine.Keeper == PolicyKeeper.Portal && theirs.Keeper == PolicyKeeper.Server));

    /// <summary>The set as one line of text: <c>id:Portal;id:Server</c>.</summary>
    public string ToText() => string.Join(';', choices.Select(c => $"{c.ServiceId:D}:{c.Keeper}"));

    /// <summary>Reads what <see cref="ToText"/> wrote; an empty text, as rows from before there were servers have it, is <see cref="BuiltIn"/>.</summary>
    /// <exception cref="FormatException">It was written by something else.</exception>
    public static ServiceSet Parse(string text)
    {
        if (text.Length == 0)
        {
            return BuiltIn;
        }

        return new ServiceSet(text.Split(';').Select(part =>
            part.Split(':') is [var id, var keeper] && Guid.TryParseExact(id, "D", out var service) && Enum.TryParse<PolicyKeeper>(keeper, out var kept) && Enum.IsDefined(kept)
                ? new ServiceChoice(service, kept)
                : throw new FormatException($"'{part}' names no attestation service.")));
    }

    /// <inheritdoc/>
    public bool Equals(ServiceSet? other) => other is not null && choices.AsSpan().SequenceEqual(other.choices);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ServiceSet);

    /// <inheritdoc/>
    public override int GetHashCode() => choices.Aggregate(choices.Length, HashCode.Combine);

    /// <inheritdoc/>
    public override string ToString() => ToText();

    /// <inheritdoc/>
    public IEnumerator<ServiceChoice> GetEnumerator() => ((IEnumerable<ServiceChoice>)choices).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private sealed class Json : JsonConverter<ServiceSet>
    {
        public override ServiceSet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            try
            {
                return Parse(reader.GetString() ?? "");
            }
            catch (Exception fault) when (fault is FormatException or ArgumentException)
            {
                throw new JsonException(fault.Message, fault);
            }
        }

        public override void Write(Utf8JsonWriter writer, ServiceSet value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToText());
    }
}
