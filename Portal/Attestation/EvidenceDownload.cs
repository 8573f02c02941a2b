using Portal.Core;
using Portal.Core.Attestation;
using Portal.Identity;

namespace Portal;

/// <summary>The evidence bundle as a download; for whoever is signed in and may read.</summary>
internal static class EvidenceDownload
{
    public static void Map(IEndpointRouteBuilder endpoints) => endpoints.MapGet("/hosts/{id:guid}/evidence.zip", SendAsync);

    private static async Task<IResult> SendAsync(Guid id, HttpContext context, EvidenceBundle bundle, CancellationToken ct)
    {
        if (context.User.ToCaller() is not { } caller)
        {
            return TypedResults.Forbid();
        }

        var outcome = await bundle.ExecuteAsync(caller, id, ct);
        return outcome.Succeeded
            ? TypedResults.File(outcome.Value.Content, "application/zip", outcome.Value.FileName)
            : TypedResults.Text(outcome.Refusal.ToString(), "text/plain", statusCode: outcome.Refusal.Kind switch
            {
                RefusalKind.Invalid => StatusCodes.Status400BadRequest,
                RefusalKind.Forbidden => StatusCodes.Status403Forbidden,
                RefusalKind.NotFound => StatusCodes.Status404NotFound,
                RefusalKind.Conflict => StatusCodes.Status409Conflict,
                RefusalKind.Unavailable => StatusCodes.Status503ServiceUnavailable,
            });
    }
}
