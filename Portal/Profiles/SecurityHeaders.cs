namespace Portal.Profiles;

/// <summary>Headers on every answer. No request leaves the machine that serves the page; no script but ours runs.</summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="profile">Tells where signing out may lead.</param>
public sealed class SecurityHeaders(RequestDelegate next, PortalProfile profile)
{
    // Styles: MudBlazor writes its palette and positions inline. Scripts: only files of this origin.
    private readonly string policy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
        + "connect-src 'self'; manifest-src 'self'; base-uri 'self'; frame-ancestors 'none'; "
        + $"form-action 'self'{(profile.Identity is { } identity ? " " + new Uri(identity.Authority).GetLeftPart(UriPartial.Authority) : null)}";

    public Task InvokeAsync(HttpContext context)
    {
        // At the very start of the answer: a handler of faults clears headers set before.
        context.Response.OnStarting(() =>
        {
            var headers = context.Response.Headers;
            headers.ContentSecurityPolicy = policy;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            return Task.CompletedTask;
        });
        return next(context);
    }
}
