using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.Keylime;

/// <summary>A Keylime verifier, or its registrar, as 7.14.3 answers: shapes, oddities and all. Without an authority it lets everybody in.</summary>
internal sealed class KeylimeServer(KeylimeSite site, SiteAuthority? authority, bool isRegistrar) : ContractServer
{
    /// <summary>Newest minor version of 2 that it knows.</summary>
    public int Minor { get; set; } = 6;

    /// <summary>Whether any request carried an Authorization header: with one, Keylime looks at nothing else.</summary>
    public bool SawAuthorization { get; private set; }

    /// <summary>Whether any request without a body named a content type: Keylime calls those malformed.</summary>
    public bool SawContentTypeWithoutBody { get; private set; }

    /// <summary>Says true to policies and keeps the one it had.</summary>
    public bool KeepsPolicies { get; set; }

    /// <summary>Agents that are enrolled from now on do not answer it.</summary>
    public bool AgentsStaySilent { get; set; }

    /// <summary>What it was sent to enrol agents.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<JsonObject> Enrolments { get; } = new();

    protected override async Task HandleAsync(HttpContext http)
    {
        SawAuthorization |= http.Request.Headers.ContainsKey("Authorization");
        SawContentTypeWithoutBody |= http.Request.ContentLength is null or 0 && !string.IsNullOrEmpty(http.Request.ContentType);
        var parts = http.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts is ["version" or "versions"])
        {
            var versions = new JsonArray([.. Enumerable.Range(0, Minor + 1).Select(m => (JsonNode)FormattableString.Invariant($"2.{m}"))]);
            versions.Add("3.0");
            await SuccessAsync(http, 200, new JsonObject { ["current_version"] = FormattableString.Invariant($"2.{Minor}"), ["supported_versions"] = versions });
            return;
        }

        if (authority?.Vouches(http.Connection.ClientCertificate) == false)
        {
            await WriteAsync(http, 403, """{"errors":[{"status":"403","title":"Forbidden","detail":"Action list_agents requires admin authentication (mTLS certificate)"}]}""");
            return;
        }

        if (parts is not [var version, .. var rest] || !version.StartsWith("v2.", StringComparison.Ordinal) || int.Parse(version.AsSpan(3), System.Globalization.CultureInfo.InvariantCulture) > Minor)
        {
            http.Response.StatusCode = 404;
            return;
        }

        await (isRegistrar ? RegistrarAsync(http, rest) : VerifierAsync(http, rest));
    }

    private static Task SuccessAsync(HttpContext http, int status, JsonNode results) =>
        WriteAsync(http, status, new JsonObject { ["code"] = status, ["status"] = "Success", ["results"] = results }.ToJsonString());

    private static Task FailureAsync(HttpContext http, int status, string said) =>
        WriteAsync(http, status, new JsonObject { ["code"] = status, ["status"] = said, ["results"] = new JsonObject() }.ToJsonString());

    private Task RegistrarAsync(HttpContext http, string[] rest) => rest switch
    {
        ["agents"] => SuccessAsync(http, 200, new JsonObject { ["uuids"] = new JsonArray([.. site.Registered.Keys.Order(StringComparer.Ordinal).Select(id => (JsonNode)id)]) }),
        ["agents", var id] when site.Registered.TryGetValue(id, out var found) => SuccessAsync(http, 200, found.DeepClone()),
        _ => FailureAsync(http, 404, "agent id not found"),
    };

    private Task VerifierAsync(HttpContext http, string[] rest) => rest switch
    {
        ["agents"] when http.Request.Query["bulk"] == "true" => SuccessAsync(http, 200, new JsonObject([.. site.Agents.Select(a => KeyValuePair.Create(a.Key, (JsonNode?)a.Value.ToJson()))])),
        ["agents"] => SuccessAsync(http, 200, new JsonObject { ["uuids"] = new JsonArray([.. site.Agents.Keys.Select(id => (JsonNode)new JsonArray(id))]) }),
        ["agents", var id, var what] when http.Request.Method == "PUT" => site.Put(id, what) ? SuccessAsync(http, 200, new JsonObject()) : FailureAsync(http, 404, "agent id not found"),
        ["agents", var id] => AgentAsync(http, id),
        ["allowlists"] => SuccessAsync(http, 200, new JsonObject { ["runtimepolicy names"] = Names(site.RuntimePolicies.Keys) }),
        ["allowlists", var name] => PolicyAsync(http, name, site.RuntimePolicies, "runtime_policy", text => Encoding.UTF8.GetString(Convert.FromBase64String(text))),
        ["mbpolicies"] => SuccessAsync(http, 200, new JsonObject { ["mbpolicy names"] = Names(site.MeasuredBootPolicies.Keys) }),
        ["mbpolicies", var name] => PolicyAsync(http, name, site.MeasuredBootPolicies, "mb_policy", text => text),
        _ => FailureAsync(http, 404, "not found"),
    };

    // A row for each agent stands among the names.
    private JsonArray Names(IEnumerable<string> names) => new([.. names.Concat(site.Agents.Keys).Select(n => (JsonNode)n)]);

    private async Task AgentAsync(HttpContext http, string id)
    {
        var found = site.Agents.GetValueOrDefault(id);
        switch (http.Request.Method)
        {
            case "GET" when found is { State: 8 } && found.LeavesAfter-- <= 0:
                site.Agents.TryRemove(id, out _);
                await FailureAsync(http, 404, "agent id not found");
                break;
            case "GET":
                await (found is null ? FailureAsync(http, 404, "agent id not found") : SuccessAsync(http, 200, found.ToJson()));
                break;
            case "DELETE" when found is null:
                await FailureAsync(http, 404, "agent id not found");
                break;
            case "DELETE" when site.RemovesLater:
                (found.State, found.LeavesAfter) = (8, 2);
                await FailureAsync(http, 202, "Accepted");
                break;
            case "DELETE":
                site.Agents.TryRemove(id, out _);
                await SuccessAsync(http, 200, new JsonObject());
                break;
            case "POST" when found is not null:
                await FailureAsync(http, 409, $"Agent of uuid {id} already exists");
                break;
            case "POST":
                await EnrolAsync(http, id);
                break;
            default:
                http.Response.StatusCode = 405;
                break;
        }
    }

    private async Task EnrolAsync(HttpContext http, string id)
    {
        var body = (await JsonNode.ParseAsync(http.Request.Body))!.AsObject();
        Enrolments.Enqueue(body);
        string[] required = ["tpm_policy", "runtime_policy", "mb_policy_name", "mb_policy", "ima_sign_verification_keys", "metadata", "revocation_key", "accept_tpm_hash_algs", "ak_tpm", "cloudagent_ip", "cloudagent_port", "mtls_cert", "supported_version"];
        if (required.FirstOrDefault(r => !body.ContainsKey(r)) is { } missing)
        {
            await FailureAsync(http, 400, $"Exception error: '{missing}'");
            return;
        }

        var name = body["runtime_policy_name"]?.GetValue<string>();
        var refState = body["mb_policy_name"]?.GetValue<string>();
        if ((name is not null && !site.RuntimePolicies.ContainsKey(name)) || (refState is not null && !site.MeasuredBootPolicies.ContainsKey(refState)))
        {
            await FailureAsync(http, 404, "policy not found");
            return;
        }

        site.Agents[id] = new SiteAgent
        {
            State = 1,
            Word = "PENDING",
            TpmPolicy = body["tpm_policy"]!.GetValue<string>(),
            Metadata = body["metadata"]!.GetValue<string>(),
            HasRuntimePolicy = name is not null || body["runtime_policy"]!.GetValue<string>().Length > 0,
            HasRefState = refState is not null || body["mb_policy"] is not null,
            IsUp = !AgentsStaySilent,
        };
        site.Agents[id].Word = AgentsStaySilent ? "PENDING" : "PASS";
        site.Verify();
        await SuccessAsync(http, 200, new JsonObject());
    }

    private async Task PolicyAsync(HttpContext http, string name, System.Collections.Concurrent.ConcurrentDictionary<string, string> kept, string member, Func<string, string> decode)
    {
        switch (http.Request.Method)
        {
            case "GET" when kept.TryGetValue(name, out var text):
                await SuccessAsync(http, 200, new JsonObject { ["name"] = name, ["tmp_policy"] = null, [member] = text });
                break;
            case "GET":
                await FailureAsync(http, 404, "policy not found");
                break;
            case "DELETE" when site.Agents.Values.Count(a => a.HasRuntimePolicy) > 1:
                http.Response.StatusCode = 500;
                break;
            case "DELETE" when site.Agents.Values.Any(a => a.HasRuntimePolicy):
                await FailureAsync(http, 409, "in use");
                break;
            case "DELETE":
                http.Response.StatusCode = kept.TryRemove(name, out _) ? 204 : 404;
                break;
            case "POST" when kept.ContainsKey(name):
                await FailureAsync(http, 409, "already exists");
                break;
            case "PUT" when !kept.ContainsKey(name):
                await FailureAsync(http, 404, "not found");
                break;
            default:
                var body = (await JsonNode.ParseAsync(http.Request.Body))!.AsObject();
                kept[name] = KeepsPolicies && kept.TryGetValue(name, out var had) ? had : decode(body[member]!.GetValue<string>());
                await SuccessAsync(http, 201, new JsonObject());
                break;
        }
    }
}
