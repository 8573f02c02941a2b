using System.Net;

namespace Portal.Profiles;

/// <summary>
/// Demo has known passwords, so it answers this machine only: a loopback address, a loopback Host name
/// (else a web page elsewhere could reach it by rebinding its own name) and nothing that came through a proxy.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
public sealed class LoopbackGuard(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (Fault(context) is { } sentence)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(sentence, context.RequestAborted);
            return;
        }

        await next(context);
    }

    private static string? Fault(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is { } remote && !IPAddress.IsLoopback(remote))
        {
            return "The demo answers this machine only.";
        }

        if (context.Request.Host.Host.ToLowerInvariant() is not ("localhost" or "127.0.0.1" or "[::1]" or "::1"))
        {
            return "The demo answers to localhost, 127.0.0.1 and [::1] only; open it by one of these names.";
        }

        return context.Request.Headers.Keys.Any(IsForwarded)
            ? "The demo does not answer through a proxy; open it directly, or run the Production profile."
            : null;
    }

    private static bool IsForwarded(string header) =>
        header.Equals("Forwarded", StringComparison.OrdinalIgnoreCase)
        || header.Equals("Via", StringComparison.OrdinalIgnoreCase)
        || header.Equals("X-Real-IP", StringComparison.OrdinalIgnoreCase)
        || header.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || header.StartsWith("X-Original-", StringComparison.OrdinalIgnoreCase);
}
