using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Portal.Core.Baselines;

/// <summary>One approved event of a PCR, in the order it must be measured.</summary>
/// <param name="Type">TCG event type, for example 0x80000003 (EV_EFI_BOOT_SERVICES_APPLICATION).</param>
/// <param name="Digests">Approved digests, lower-case hexadecimal; any one of them.</param>
/// <param name="Label">What the security team calls it, for example <c>GRUB 2.06-61</c>. The only source of versions.</param>
/// <param name="Optional">Whether it may be absent.</param>
public sealed record EventReference(uint Type, ImmutableArray<string> Digests, string Label, bool Optional = false);

/// <summary>What a baseline says of one PCR it covers: either whole digests or events, never both.</summary>
/// <param name="Pcr">0 to 23.</param>
/// <param name="Digests">Approved values of the whole PCR, lower-case hexadecimal; any one of them. Empty when events are given.</param>
/// <param name="Events">Approved events in order; there, an unknown, missing or extra event is a mismatch. Empty when digests are given.</param>
/// <param name="Label">What it is, for whole digests.</param>
public sealed record PcrReference(int Pcr, ImmutableArray<string> Digests, ImmutableArray<EventReference> Events, string Label = "")
{
    /// <summary>Whether the PCR is appraised event by event.</summary>
    [JsonIgnore]
    public bool IsByEvent => Digests.IsDefaultOrEmpty;
}

/// <summary>What a revision says: where it applies and what may be measured there.</summary>
/// <param name="Bank">TPM algorithm id of the PCR bank; 0x000B (SHA-256) or stronger.</param>
/// <param name="Pcrs">What it says of each PCR it covers, ascending by PCR.</param>
/// <param name="Clusters">Clusters it applies to; empty means all.</param>
/// <param name="Notes">Why, for the reviewer.</param>
public sealed record BaselineContent(ushort Bank, ImmutableArray<PcrReference> Pcrs, ImmutableArray<Guid> Clusters, string Notes)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = false };

    /// <summary>What hosts may use while they run: for baselines of kind <see cref="Inventory.BaselineKinds.Runtime"/>, which cover no PCR beside it; null for all others.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RuntimeReference? Runtime { get; init; }

    /// <summary>Covers nothing, applies everywhere: what a draft starts from. It cannot be submitted.</summary>
    public static BaselineContent Empty { get; } = new(PcrBanks.Sha256, [], [], "");

    /// <summary>What a draft of a kind starts from.</summary>
    public static BaselineContent EmptyOf(Inventory.BaselineKinds kind) =>
        kind == Inventory.BaselineKinds.Runtime ? Empty with { Runtime = RuntimeReference.Empty } : Empty;

    /// <summary>
    /// The same content in the one spelling that is stored: digests in lower case, labels and notes trimmed, clusters sorted and named once,
    /// no null anywhere. The order of PCRs and events is left as it is: it means something.
    /// </summary>
    public BaselineContent Normalized() => new(
        Bank,
        [.. Present(Pcrs).Select(p => new PcrReference(
            p.Pcr,
            Digest(p.Digests),
            [.. Present(p.Events).Select(e => new EventReference(e.Type, Digest(e.Digests), Trim(e.Label), e.Optional))],
            Trim(p.Label)))],
        [.. Present(Clusters).Distinct().Order()],
        Trim(Notes))
    {
        Runtime = Runtime?.Normalized(),
    };

    /// <summary>The text that is stored, hashed and approved: JSON with a fixed order of members.</summary>
    public string ToCanonicalJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToCanonicalJson"/> wrote.</summary>
    /// <exception cref="JsonException">The text is not a baseline's content.</exception>
    public static BaselineContent Parse(string json) =>
        JsonSerializer.Deserialize<BaselineContent>(json, Json) ?? throw new JsonException("The content is null.");

    /// <summary>SHA-256 of the canonical text, lower-case hexadecimal.</summary>
    public static string HashOf(string canonicalJson) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonicalJson)));

    /// <summary>Whether the revision applies to a cluster.</summary>
    public bool AppliesTo(Guid clusterId) => Clusters.IsDefaultOrEmpty || Clusters.Contains(clusterId);

    private static ImmutableArray<T> Present<T>(ImmutableArray<T> list) => list.IsDefault ? [] : list;

    private static ImmutableArray<string> Digest(ImmutableArray<string> digests) => [.. Present(digests).Select(d => Trim(d).ToLowerInvariant())];

    // Requests are deserialized: a member may be null whatever its type says.
    private static string Trim(string? text) => text?.Trim() ?? "";
}

/// <summary>PCR banks a baseline may speak of: TPM algorithm ids (TCG Algorithm Registry, table 3) and their digest sizes. SHA-1 is not among them.</summary>
public static class PcrBanks
{
    /// <summary>SHA-256.</summary>
    public const ushort Sha256 = 0x000B;

    /// <summary>SHA-384.</summary>
    public const ushort Sha384 = 0x000C;

    /// <summary>SHA-512.</summary>
    public const ushort Sha512 = 0x000D;

    /// <summary>Bytes of a digest; null when the bank is none a baseline may speak of.</summary>
    public static int? DigestSize(ushort bank) => bank switch
    {
        Sha256 => 32,
        Sha384 => 48,
        Sha512 => 64,
        _ => null,
    };

    /// <summary>The bank's name for a person.</summary>
    public static string Name(ushort bank) => bank switch
    {
        0x0004 => "SHA-1",
        Sha256 => "SHA-256",
        Sha384 => "SHA-384",
        Sha512 => "SHA-512",
        _ => $"algorithm 0x{bank:X4}",
    };
}
