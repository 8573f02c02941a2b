using System.Text;
using Portal.Api;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Identity;

namespace Portal.Agents;

/// <summary>The script that prepares a host, as a download; for whoever is signed in.</summary>
internal static class ScriptDownload
{
    public const string Path = "/agents/" + HostScript.FileName;

    public static void Map(IEndpointRouteBuilder endpoints) => endpoints.MapGet(Path, SendAsync);

    private static async Task<IResult> SendAsync(string? contact, HttpContext context, HostScripts scripts, CancellationToken ct)
    {
        if (context.User.ToCaller() is not { } caller)
        {
            return TypedResults.Forbid();
        }

        var made = await scripts.MakeAsync(caller, new HostScriptChoice(contact), ct);
        return made.Succeeded
            ? TypedResults.File(Encoding.UTF8.GetBytes(made.Value.Text), "application/x-sh", HostScript.FileName)
            : TypedResults.Text(made.Refusal.ToString(), "text/plain", statusCode: Faults.StatusOf(made.Refusal));
    }
}
