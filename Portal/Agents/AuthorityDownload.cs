using System.Text;
using Portal.Core.Attestation.BuiltIn.Agents;

namespace Portal.Agents;

/// <summary>The certificates that agents have to let in, as a download; for whoever is signed in.</summary>
internal static class AuthorityDownload
{
    public static void Map(IEndpointRouteBuilder endpoints) => endpoints.MapGet(
        "/agents/authority.pem",
        (AgentAuthority authority) => TypedResults.File(Encoding.ASCII.GetBytes(authority.Published()), "application/x-pem-file", "portal-agents-ca.pem"));
}
