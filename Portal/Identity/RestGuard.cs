using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Portal.Profiles;

namespace Portal.Identity;

/// <summary>What the REST API refuses before it looks at who is asking; answers refusals in XML or JSON as asked for.</summary>
/// <param name="next">The rest of the pipeline.</param>
public sealed class RestGuard(RequestDelegate next)
{
    /// <summary>The longest body, in bytes.</summary>
    public const long MaxBody = 1024 * 1024;

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<RestEndpoint>() is null)
        {
            await next(context);
            return;
        }

        if (Refuse(context.Request) is { } refused)
        {
            await RestFault.WriteAsync(context, refused.Status, refused.Reason, refused.Detail, refused.Code);
            return;
        }

        try
        {
            await next(context);
        }
        catch (BadHttpRequestException fault) when (!context.Response.HasStarted)
        {
            await RestFault.WriteAsync(context, fault.StatusCode, "Bad request", fault.StatusCode is StatusCodes.Status413PayloadTooLarge ? TooLong : "The request cannot be read.", "body.unreadable");
            return;
        }

        await ExplainAsync(context);
    }

    private const string TooLong = "The body is longer than 1 MiB (1048576 bytes).";

    private static (int Status, string Reason, string Detail, string Code)? Refuse(HttpRequest request)
    {
        if (IsFromAnotherSite(request))
        {
            return (StatusCodes.Status403Forbidden, "Cross-site request", "A page of another site may not use this API. Call it from a program, or from the portal's own pages.", "api.cross_site");
        }

        if (!HasBody(request))
        {
            return null;
        }

        if (request.ContentLength > MaxBody)
        {
            return (StatusCodes.Status413PayloadTooLarge, "Body too long", TooLong, "body.too_long");
        }

        return IsXmlOrJson(request.ContentType)
            ? null
            : (StatusCodes.Status415UnsupportedMediaType, "Unsupported content type", "Send the body as application/xml or application/json and say so in Content-Type.", "body.content_type");
    }

    private static bool IsFromAnotherSite(HttpRequest request)
    {
        string? site = request.Headers["Sec-Fetch-Site"];
        return site is not (null or "" or "same-origin" or "none") || SameOriginGuard.IsForeign(request);
    }

    /// <summary>Whether there is a body anybody will read: some clients announce one with GET, which means nothing.</summary>
    private static bool HasBody(HttpRequest request) =>
        !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method)
        && (request.ContentLength > 0
            || (request.ContentLength is null && request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true));

    private static bool IsXmlOrJson(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type))
        {
            return false;
        }

        var name = type.MediaType.Value;
        return name is not null && (name.Equals("text/xml", StringComparison.OrdinalIgnoreCase)
            || name.Equals("application/xml", StringComparison.OrdinalIgnoreCase)
            || name.Equals("application/json", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Gives the bare refusals of authentication and routing a body.</summary>
    private static Task ExplainAsync(HttpContext context)
    {
        var response = context.Response;
        if (response.HasStarted || response.ContentType is not null)
        {
            return Task.CompletedTask;
        }

        return response.StatusCode switch
        {
            StatusCodes.Status401Unauthorized => RestFault.WriteAsync(context, response.StatusCode, "Not signed in", "Send the credentials of a known user.", "access.unauthenticated"),
            StatusCodes.Status403Forbidden => RestFault.WriteAsync(context, response.StatusCode, "Not allowed", "You have no role in this portal. Ask whoever grants roles for access.", "access.no_role"),
            _ => Task.CompletedTask,
        };
    }
}
