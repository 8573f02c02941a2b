using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier is told when an agent is enrolled. Which named policy the portal gave it lies in its metadata, because nothing else brings it back.</summary>
/// <param name="Id">The agent's id.</param>
internal sealed record AgentEnrolment(string Id)
{
    private const string Tag = "portal";
    private const string RuntimeTag = "runtime_policy";

    /// <summary>Approved digests by PCR, canonical; null looks at none.</summary>
    public string? Digests { get; init; }

    /// <summary>The named runtime policy; null for none or one that the portal did not give.</summary>
    public string? RuntimeName { get; init; }

    /// <summary>Whether it has any runtime policy.</summary>
    public bool HasRuntimePolicy { get; init; }

    /// <summary>A runtime policy that is this agent's alone, JSON; empty for none.</summary>
    public string OwnRuntimePolicy { get; init; } = "";

    /// <summary>Whether it has a measured-boot policy.</summary>
    public bool HasRefState { get; init; }

    /// <summary>A measured-boot policy that is this agent's alone, JSON; empty for none.</summary>
    public string OwnRefState { get; init; } = "";

    /// <summary>Metadata as JSON, with our tag.</summary>
    public string Metadata { get; init; } = "{}";

    /// <summary>Hashes its quotes may use.</summary>
    public ImmutableArray<string> Hashes { get; init; } = ["sha512", "sha384", "sha256"];

    /// <summary>Encryption algorithms it may use.</summary>
    public ImmutableArray<string> Encryptions { get; init; } = ["ecc", "rsa"];

    /// <summary>Signing schemes it may use.</summary>
    public ImmutableArray<string> Signings { get; init; } = ["ecschnorr", "rsassa"];

    /// <summary>Where it listens.</summary>
    public string Ip { get; init; } = "";

    /// <summary>The port it listens on.</summary>
    public int? Port { get; init; }

    /// <summary>Its attestation key, TPM2B_PUBLIC in base64.</summary>
    public string AttestationKey { get; init; } = "";

    /// <summary>Certificate of its own HTTPS server, PEM.</summary>
    public string ServerCertificate { get; init; } = "";

    /// <summary>Reads <c>GET agents/{id}</c>. Keys, certificate and the agent's own policies are not in it.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static AgentEnrolment OfStatus(string id, byte[] body)
    {
        using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 16 });
        var results = document.RootElement.GetProperty("results");
        var status = StatusReader.One(body, id);
        var metadata = Inner(results, "meta_data");
        var known = new AgentEnrolment(id);
        return known with
        {
            Digests = PolicyText.Tpm(Inner(results, "tpm_policy")),
            HasRuntimePolicy = status.HasRuntimePolicy,
            HasRefState = status.HasRefState,
            RuntimeName = status.HasRuntimePolicy ? TagIn(metadata) : null,
            Metadata = metadata,
            Hashes = Words(results, "accept_tpm_hash_algs", known.Hashes),
            Encryptions = Words(results, "accept_tpm_encryption_algs", known.Encryptions),
            Signings = Words(results, "accept_tpm_signing_algs", known.Signings),
            Ip = status.Ip,
            Port = status.Port,
        };
    }

    /// <summary>The body of <c>POST agents/{id}</c>.</summary>
    /// <param name="minor">Minor version spoken.</param>
    public byte[] ToBody(int minor) => JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object?>(StringComparer.Ordinal)
    {
        ["v"] = null,
        ["cloudagent_ip"] = Ip.Length > 0 ? Ip : null,
        ["cloudagent_port"] = Port,
        ["tpm_policy"] = PolicyText.TpmToSend(Digests),
        ["runtime_policy"] = OwnRuntimePolicy.Length == 0 ? "" : Convert.ToBase64String(Encoding.UTF8.GetBytes(OwnRuntimePolicy)),
        ["runtime_policy_name"] = RuntimeName,
        ["runtime_policy_key"] = "",
        ["mb_policy"] = OwnRefState.Length == 0 ? null : OwnRefState,
        ["mb_policy_name"] = null,
        ["ima_sign_verification_keys"] = "[]",
        ["metadata"] = Tagged(Metadata, RuntimeName),
        ["revocation_key"] = "",
        ["accept_tpm_hash_algs"] = Hashes,
        ["accept_tpm_encryption_algs"] = Encryptions,
        ["accept_tpm_signing_algs"] = Signings,
        ["ak_tpm"] = AttestationKey,
        ["mtls_cert"] = ServerCertificate.Length > 0 ? ServerCertificate : null,
        ["supported_version"] = string.Create(CultureInfo.InvariantCulture, $"2.{minor}"),
    });

    /// <summary>JSON inside a string, or, should a version mend that, the object itself; <c>{}</c> when there is none.</summary>
    private static string Inner(JsonElement results, string name) => !results.TryGetProperty(name, out var value) ? "{}" : value.ValueKind switch
    {
        JsonValueKind.String when value.GetString() is { Length: > 0 } text => text,
        JsonValueKind.Object => value.GetRawText(),
        _ => "{}",
    };

    private static ImmutableArray<string> Words(JsonElement results, string name, ImmutableArray<string> otherwise) =>
        results.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            ? [.. list.EnumerateArray().Select(w => w.GetString() ?? "")]
            : otherwise;

    private static string? TagIn(string metadata)
    {
        try
        {
            return (JsonNode.Parse(metadata) as JsonObject)?[Tag] is JsonObject tag && tag[RuntimeTag] is JsonValue name && name.TryGetValue<string>(out var text) ? text : null;
        }
        catch (JsonException)
        {
            // Metadata may be anything; it is the site's.
            return null;
        }
    }

    private static string Tagged(string metadata, string? name)
    {
        JsonObject whole;
        try
        {
            whole = JsonNode.Parse(metadata) as JsonObject ?? [];
        }
        catch (JsonException)
        {
            whole = [];
        }

        if (name is null)
        {
            whole.Remove(Tag);
        }
        else
        {
            whole[Tag] = new JsonObject { [RuntimeTag] = name };
        }

        return whole.ToJsonString();
    }
}
