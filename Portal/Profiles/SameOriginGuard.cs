namespace Portal.Profiles;

/// <summary>
/// Refuses what a page of another origin sends: forms and scripts that change something, and the live connection of a page.
/// Cookies that are SameSite=Lax do not stop another port of the same host; this does.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
public sealed class SameOriginGuard(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        var changes = !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);
        if ((changes || request.Headers.Upgrade.Count > 0) && IsForeign(request))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            context.Response.ContentType = "text/plain; charset=utf-8";
            return context.Response.WriteAsync("A page of another origin may not do this. Open the portal itself.", context.RequestAborted);
        }

        return next(context);
    }

    /// <summary>Whether the browser says that another origin sent this. Programs that are no browsers send no Origin.</summary>
    public static bool IsForeign(HttpRequest request)
    {
        string? origin = request.Headers.Origin;
        return !string.IsNullOrEmpty(origin)
            && !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase);
    }
}
