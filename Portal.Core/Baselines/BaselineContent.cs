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
}
