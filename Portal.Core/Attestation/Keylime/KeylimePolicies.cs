using System.Net;
using System.Text;
using System.Text.Json;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// The policies a verifier keeps. Keys: <c>runtime/name</c>, <c>mb/name</c> (measured boot), <c>agent/id</c> (an agent's PCRs) and
/// <c>agent/id/runtime</c> (the name of the runtime policy an agent uses).
/// </summary>
/// <param name="http">The way there.</param>
/// <param name="agents">Policies of single agents.</param>
/// <param name="time">Our clock.</param>
internal sealed class KeylimePolicies(KeylimeHttp http, AgentPolicies agents, TimeProvider time)
{
    /// <summary>The first minor version that keeps measured-boot policies by name: keylime 7.12.</summary>
    private const int MeasuredBootSince = 3;

    private const int LongestName = 200;

    /// <summary>Key of a runtime policy.</summary>
    public static string RuntimeKey(string name) => $"runtime/{name}";

    /// <summary>Key of an agent's PCRs.</summary>
    public static string AgentKey(string id) => $"agent/{id}";

    /// <summary>Key of the name of the runtime policy an agent uses.</summary>
    public static string AgentRuntimeKey(string id) => $"agent/{id}/runtime";

    /// <summary>What is kept; null when nothing.</summary>
    public Task<string?> ReadAsync(string key, CancellationToken ct) => key.Split('/') switch
    {
        ["runtime", var name] => ReadAsync("allowlists", Named(name), "runtime_policy", PolicyText.Runtime, ct),
        ["mb", var name] => ReadAsync("mbpolicies", Named(name), "mb_policy", PolicyText.Sorted, ct),
        ["agent", var id] => agents.ReadDigestsAsync(id, ct),
        ["agent", var id, "runtime"] => agents.ReadRuntimeNameAsync(id, ct),
        _ => throw new ArgumentException($"No key of Keylime's: {key}", nameof(key)),
    };

    /// <summary>Makes the verifier keep it.</summary>
    public Task WriteAsync(string key, string? content, CancellationToken ct) => key.Split('/') switch
    {
        ["runtime", var name] => WriteAsync("allowlists", Named(name), content is null ? null : RuntimeBody(content), ct),
        ["mb", var name] => WriteAsync("mbpolicies", Named(name), content is null ? null : JsonSerializer.SerializeToUtf8Bytes(new { mb_policy = PolicyText.Sorted(content) }), ct),
        ["agent", var id] => agents.WriteDigestsAsync(id, content, ct),
        ["agent", var id, "runtime"] => agents.WriteRuntimeNameAsync(id, content, ct),
        _ => throw new ArgumentException($"No key of Keylime's: {key}", nameof(key)),
    };

    /// <summary>The agent that a change under a key removes and enrols anew; null for none.</summary>
    public static string? AgentOf(string key) => key.Split('/') switch
    {
        ["agent", var id] => id,
        ["agent", var id, "runtime"] => id,
        _ => null,
    };

    /// <summary>Every policy with a name of its own; older verifiers keep none for measured boot.</summary>
    public async Task<IReadOnlyList<KeptPolicy>> ListAsync(CancellationToken ct)
    {
        var runtime = await NamesAsync(measuredBoot: false, ct);
        var boot = await http.MinorAsync(KeylimePart.Verifier, ct) < MeasuredBootSince ? [] : await NamesAsync(measuredBoot: true, ct);
        return [
            .. runtime.Select(n => new KeptPolicy(RuntimeKey(n), KeptPolicyKind.Runtime, KeylimeWords.Safe(n))),
            .. boot.Select(n => new KeptPolicy($"mb/{n}", KeptPolicyKind.MeasuredBoot, KeylimeWords.Safe(n))),
        ];
    }

    /// <summary>Names of the policies of one sort, without those a verifier keeps for single agents under their ids.</summary>
    /// <param name="measuredBoot">Measured-boot policies; else runtime policies.</param>
    /// <param name="ct">Cancels.</param>
    private async Task<IReadOnlyList<string>> NamesAsync(bool measuredBoot, CancellationToken ct)
    {
        var (path, member, what) = measuredBoot ? ("mbpolicies", "mbpolicy names", "its measured-boot policies") : ("allowlists", "runtimepolicy names", "its runtime policies");
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, $"{path}/", null, ct);
        var names = http.Read(reply, KeylimePart.Verifier, what, body =>
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.GetProperty("results").GetProperty(member).EnumerateArray().Select(n => n.GetString() ?? "").ToList();
        });
        var ids = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, "agents/", null, ct);
        var agentIds = http.Read(ids, KeylimePart.Verifier, "all agents", body => StatusReader.Bulk(body).Ids ?? []);
        return [.. names.Except(agentIds, StringComparer.Ordinal).Where(n => n.Length > 0).Order(StringComparer.Ordinal)];
    }

    private async Task<string?> ReadAsync(string path, string name, string member, Func<string, string> canonical, CancellationToken ct)
    {
        await KnowsAsync(path, ct);
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, $"{path}/{name}", null, ct);
        if (reply.Status == HttpStatusCode.NotFound)
        {
            return null;
        }

        return http.Read(reply, KeylimePart.Verifier, $"the policy {name}", body => KeptText(body, member) is { Length: > 0 } text ? canonical(text) : null);
    }

    private async Task WriteAsync(string path, string name, byte[]? body, CancellationToken ct)
    {
        await KnowsAsync(path, ct);
        if (body is null)
        {
            await RemoveAsync(path, name, ct);
            return;
        }

        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Post, $"{path}/{name}", body, ct);
        if (reply.Status == HttpStatusCode.Conflict)
        {
            reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Put, $"{path}/{name}", body, ct);
        }

        if (!reply.Succeeded)
        {
            throw http.Failure(reply, KeylimePart.Verifier, $"a change of the policy {name}");
        }
    }

    private async Task RemoveAsync(string path, string name, CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Delete, $"{path}/{name}", null, ct);

        // One agent that uses it makes a conflict, several an error without a word.
        if (reply.Status == HttpStatusCode.Conflict || reply is { Status: HttpStatusCode.InternalServerError, Body.Length: 0 })
        {
            throw new ServerException(ServerFault.Failed, $"{http.Name(KeylimePart.Verifier)} does not remove the policy {name}: agents use it.", "Give those agents another policy first, or remove them.");
        }

        if (!reply.Succeeded && reply.Status != HttpStatusCode.NotFound)
        {
            throw http.Failure(reply, KeylimePart.Verifier, $"the removal of the policy {name}");
        }
    }

    private async Task KnowsAsync(string path, CancellationToken ct)
    {
        if (path == "mbpolicies" && await http.MinorAsync(KeylimePart.Verifier, ct) < MeasuredBootSince)
        {
            throw new ServerException(ServerFault.Failed, $"{http.Name(KeylimePart.Verifier)} keeps no measured-boot policies by name.", "Update Keylime to 7.12 or later.");
        }
    }

    private byte[] RuntimeBody(string content) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        tpm_policy = """{"mask":"0x400"}""",
        runtime_policy = Convert.ToBase64String(PolicyText.RuntimeToSend(PolicyText.Runtime(content), time.GetUtcNow())),
        runtime_policy_key = "",
        runtime_policy_sig = "",
    });

    /// <summary>A policy's text: JSON inside a string, or, from some versions, the object itself.</summary>
    internal static string? KeptText(byte[] body, string member)
    {
        using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 32 });
        return !document.RootElement.GetProperty("results").TryGetProperty(member, out var kept) ? null : kept.ValueKind switch
        {
            JsonValueKind.String => kept.GetString(),
            JsonValueKind.Object => kept.GetRawText(),
            _ => null,
        };
    }

    private static string Named(string name) => name.Length <= LongestName && AgentRegistration.IsAgentId(name[..Math.Min(name.Length, AgentRegistration.MaxAgentId)])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-')
        ? name
        : throw new ServerException(ServerFault.Failed, $"'{KeylimeWords.Safe(name)}' cannot be the name of a policy in Keylime.", $"Use letters, digits, dots, dashes and underscores, at most {LongestName}.");
}
