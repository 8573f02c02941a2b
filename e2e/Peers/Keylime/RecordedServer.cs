using Microsoft.AspNetCore.Http;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.Keylime;

/// <summary>A verifier, or a registrar, that says byte for byte what one said when it was recorded.</summary>
internal sealed class RecordedServer(bool isRegistrar) : ContractServer
{
    protected override async Task HandleAsync(HttpContext http)
    {
        var bulk = http.Request.Query["bulk"] == "true";
        var file = (isRegistrar, http.Request.Path.Value) switch
        {
            (_, "/version") => "verifier_version.json",
            (false, "/v2.6/agents/") => bulk ? "verifier_v2.6_agents__bulk_true.json" : "verifier_v2.6_agents_.json",
            (false, "/v2.6/allowlists/") => "verifier_v2.6_allowlists_.json",
            (false, "/v2.6/mbpolicies/") => "verifier_v2.6_mbpolicies_.json",
            (false, "/v3.0/agents/" + Recordings.Verified + "/attestations/latest") => "push_attestation_latest.json",
            (true, "/v2.6/agents/") => "registrar_agents.json",
            (true, _) when http.Request.Path.StartsWithSegments("/v2.6/agents") => "registrar_agent.json",
            _ => null,
        };
        if (file is null)
        {
            http.Response.StatusCode = 404;
            return;
        }

        http.Response.ContentType = "application/json";
        await http.Response.Body.WriteAsync(Recordings.Bytes(file));
    }
}
