using Portal.Api;
using Portal.Core;
using Portal.Core.Attestation.BuiltIn.Registration;

namespace Portal.Agents;

/// <summary>What agents ask of a registrar: <c>/version</c>, <c>POST /v2.x/agents/id</c>, <c>PUT /v2.x/agents/id/activate</c>. Lists and reads nothing.</summary>
internal static class RegistrarApi
{
    public static void Map(WebApplication app)
    {
        app.MapGet("/version", static () => Json(StatusCodes.Status200OK, RegistrarAnswer.Version()));
        app.MapGet("/versions", static () => Json(StatusCodes.Status200OK, RegistrarAnswer.Version()));
        app.MapPost("/{version}/agents/{id}", RegisterAsync);
        app.MapPut("/{version}/agents/{id}/activate", ActivateAsync);
        app.MapFallback(static () => Refused(Refusal.NotFound("page", "here")));
    }

    /// <summary>Who knocks: addresses, not what they say of themselves.</summary>
    public static string SenderOf(HttpContext context) =>
        context.Connection.RemoteIpAddress is not { } address ? ""
        : address.IsIPv4MappedToIPv6 ? address.MapToIPv4().ToString()
        : address.ToString();

    private static async Task<IResult> RegisterAsync(string version, string id, HttpContext context, Registrar registrar)
    {
        var (body, refused) = await BodyAsync(version, context);
        if (body is null)
        {
            return refused!;
        }

        var registration = AgentRegistration.Parse(id, body);
        if (!registration.Succeeded)
        {
            return Refused(registration.Refusal);
        }

        var challenge = registrar.Register(registration.Value, SenderOf(context));
        return challenge.Succeeded ? Json(StatusCodes.Status200OK, RegistrarAnswer.Registered(challenge.Value)) : Refused(challenge.Refusal);
    }

    private static async Task<IResult> ActivateAsync(string version, string id, HttpContext context, Registrar registrar)
    {
        var (body, refused) = await BodyAsync(version, context);
        if (body is null)
        {
            return refused!;
        }

        var activation = AgentActivation.Parse(body);
        if (!activation.Succeeded)
        {
            return Refused(activation.Refusal);
        }

        var row = await registrar.ActivateAsync(id, activation.Value, SenderOf(context), context.RequestAborted);
        return row.Succeeded ? Json(StatusCodes.Status200OK, RegistrarAnswer.Activated()) : Refused(row.Refusal);
    }

    private static async Task<(byte[]? Body, IResult? Refused)> BodyAsync(string version, HttpContext context)
    {
        if (!version.StartsWith('v') || !RegistrarAnswer.Versions.Contains(version[1..], StringComparer.Ordinal))
        {
            return (null, Refused(Refusal.Invalid("registration.version", "version", $"The versions spoken here are {string.Join(", ", RegistrarAnswer.Versions)}.", "Ask /version first.")));
        }

        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            return (body.ToArray(), null);
        }
        catch (BadHttpRequestException fault) when (fault.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            var tooLong = Refusal.Invalid("registration.body", "body", "The body is too long.", "Check the agent.");
            return (null, Json(StatusCodes.Status413PayloadTooLarge, RegistrarAnswer.Refused(StatusCodes.Status413PayloadTooLarge, tooLong)));
        }
    }

    private static IResult Refused(Refusal refusal)
    {
        var status = Faults.StatusOf(refusal);
        return Json(status, RegistrarAnswer.Refused(status, refusal));
    }

    private static IResult Json(int status, byte[] document) => new Document(status, document);

    private sealed record Document(int Status, byte[] Content) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = Status;
            httpContext.Response.ContentType = "application/json";
            return httpContext.Response.Body.WriteAsync(Content, httpContext.RequestAborted).AsTask();
        }
    }
}
