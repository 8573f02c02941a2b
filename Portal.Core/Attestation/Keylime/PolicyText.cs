using System.Collections.Immutable;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Portal.Core.Baselines;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Keylime's policies in the one spelling that is compared: JSON with sorted names, without what decides nothing. Texts are equal exactly when the
/// verifier would decide alike. <see cref="JsonException"/> means that the text is no policy.
/// </summary>
internal static class PolicyText
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonDocumentOptions Shallow = new() { MaxDepth = 32 };

    /// <summary>What a runtime policy decides by where it does not say. Source: keylime/ima/ima.py, the empty policy.</summary>
    private static readonly ImmutableSortedDictionary<string, string> RuntimeDefaults = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal, new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["digests"] = "{}",
        ["excludes"] = "[]",
        ["ima"] = """{"dm_policy":null,"ignored_keyrings":[],"log_hash_alg":"sha1"}""",
        ["ima-buf"] = "{}",
        ["keyrings"] = "{}",
        ["verification-keys"] = "\"\"",
    });

    /// <summary>A runtime policy, as kept on a server: without who made it and when, with what it leaves unsaid. A signed one stays as it is.</summary>
    public static string Runtime(string json)
    {
        using var document = JsonDocument.Parse(json, Shallow);
        var root = Object(document.RootElement);
        if (root.TryGetProperty("payload", out _))
        {
            return Sorted(json);
        }

        return Write(writer =>
        {
            writer.WriteStartObject();
            foreach (var name in RuntimeDefaults.Keys.Union(root.EnumerateObject().Select(p => p.Name), StringComparer.Ordinal).Except(["meta", "release"], StringComparer.Ordinal).Order(StringComparer.Ordinal))
            {
                writer.WritePropertyName(name);
                if (root.TryGetProperty(name, out var value))
                {
                    Write(writer, value, sortsLists: true);
                }
                else
                {
                    writer.WriteRawValue(RuntimeDefaults[name]);
                }
            }

            writer.WriteEndObject();
        });
    }

    /// <summary>What allows the files of all these references and nothing else.</summary>
    /// <param name="references">Each says nothing that Keylime cannot be told.</param>
    public static string Runtime(IEnumerable<RuntimeReference> references)
    {
        var (files, keyrings, buffers) = (Lists(), Lists(), Lists());
        var excludes = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var reference in references)
        {
            excludes.UnionWith(reference.Excludes);
            foreach (var file in reference.Files)
            {
                // What has no path was a key or a buffer: Keylime keeps those apart.
                var kept = file.Path.StartsWith('/') || file.Path == "boot_aggregate" ? files : file.Path.StartsWith('.') ? keyrings : buffers;
                if (!kept.TryGetValue(file.Path, out var digests))
                {
                    kept[file.Path] = digests = new SortedSet<string>(StringComparer.Ordinal);
                }

                digests.UnionWith(file.Digests.Select(RuntimeReference.HexOf));
            }
        }

        return Runtime(Write(writer =>
        {
            writer.WriteStartObject();
            Write(writer, "digests", files);
            Write(writer, "keyrings", keyrings);
            Write(writer, "ima-buf", buffers);
            writer.WriteStartArray("excludes");
            foreach (var exclude in excludes)
            {
                writer.WriteStringValue(exclude);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }));
    }

    /// <summary>A runtime policy as it is sent: with who made it and when.</summary>
    public static byte[] RuntimeToSend(string canonical, DateTimeOffset now)
    {
        using var document = JsonDocument.Parse(canonical, Shallow);
        var root = Object(document.RootElement);
        if (root.TryGetProperty("payload", out _))
        {
            return System.Text.Encoding.UTF8.GetBytes(canonical);
        }

        return System.Text.Encoding.UTF8.GetBytes(Write(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartObject("meta");
            writer.WriteNumber("version", 1);
            writer.WriteNumber("generator", 1);
            writer.WriteString("timestamp", now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            writer.WriteEndObject();
            writer.WriteNumber("release", 0);
            foreach (var member in root.EnumerateObject())
            {
                member.WriteTo(writer);
            }

            writer.WriteEndObject();
        }));
    }

    /// <summary>An agent's <c>tpm_policy</c>: approved digests by PCR; null when it covers none. Which PCRs are asked for follows from it.</summary>
    public static string? Tpm(string json)
    {
        using var document = JsonDocument.Parse(json, Shallow);
        var members = Object(document.RootElement).EnumerateObject().Where(m => m.Name != "mask").OrderBy(m => m.Name, StringComparer.Ordinal).ToList();
        return members.Count == 0 ? null : Write(writer =>
        {
            writer.WriteStartObject();
            foreach (var member in members)
            {
                writer.WritePropertyName(member.Name);
                if (member.Value.ValueKind == JsonValueKind.String)
                {
                    writer.WriteStartArray();
                    member.Value.WriteTo(writer);
                    writer.WriteEndArray();
                }
                else
                {
                    Write(writer, member.Value, sortsLists: true);
                }
            }

            writer.WriteEndObject();
        });
    }

    /// <summary>Approved digests by PCR.</summary>
    public static string Tpm(IReadOnlyDictionary<int, IReadOnlyCollection<string>> digests) => Tpm(Write(writer =>
    {
        writer.WriteStartObject();
        foreach (var (pcr, values) in digests)
        {
            writer.WriteStartArray(pcr.ToString(CultureInfo.InvariantCulture));
            foreach (var value in values)
            {
                writer.WriteStringValue(value);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }))!;

    /// <summary>PCRs that an agent's policy covers.</summary>
    public static IReadOnlyList<int> PcrsOf(string? canonical)
    {
        if (canonical is null)
        {
            return [];
        }

        using var document = JsonDocument.Parse(canonical, Shallow);
        return [.. Object(document.RootElement).EnumerateObject()
            .Select(m => int.TryParse(m.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var pcr) && pcr < Portal.Core.Tpm.PcrMask.PcrCount ? pcr : throw new JsonException("A name in it is no PCR."))];
    }

    /// <summary>An agent's policy as it is sent: with the mask of the PCRs it covers.</summary>
    public static string TpmToSend(string? canonical)
    {
        var mask = PcrsOf(canonical).Aggregate(0u, (bits, pcr) => bits | (1u << pcr));
        return Write(writer =>
        {
            writer.WriteStartObject();
            if (canonical is not null)
            {
                using var document = JsonDocument.Parse(canonical, Shallow);
                foreach (var member in document.RootElement.EnumerateObject())
                {
                    member.WriteTo(writer);
                }
            }

            writer.WriteString("mask", FormattableString.Invariant($"0x{mask:x}"));
            writer.WriteEndObject();
        });
    }

    /// <summary>Any JSON object with its names sorted; lists keep their order.</summary>
    public static string Sorted(string json)
    {
        using var document = JsonDocument.Parse(json, Shallow);
        var root = Object(document.RootElement);
        return Write(writer => Write(writer, root, sortsLists: false));
    }

    private static SortedDictionary<string, SortedSet<string>> Lists() => new(StringComparer.Ordinal);

    private static JsonElement Object(JsonElement element) => element.ValueKind == JsonValueKind.Object ? element : throw new JsonException("It is no object.");

    private static string Write(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Relaxed))
        {
            write(writer);
        }

        return System.Text.Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    private static void Write(Utf8JsonWriter writer, string name, SortedDictionary<string, SortedSet<string>> lists)
    {
        writer.WriteStartObject(name);
        foreach (var (key, values) in lists)
        {
            writer.WriteStartArray(key);
            foreach (var value in values)
            {
                writer.WriteStringValue(value);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element, bool sortsLists)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value, sortsLists);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array when sortsLists && element.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String):
                writer.WriteStartArray();
                foreach (var text in element.EnumerateArray().Select(e => e.GetString()).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
                {
                    writer.WriteStringValue(text);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(writer, item, sortsLists);
                }

                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}
