using System.Buffers.Text;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Portal.Identity.Provider;

namespace Portal.Identity;

/// <summary>HTTP Basic (RFC 7617) with the demo users, for scripts. Exists in Demo only.</summary>
internal sealed class BasicAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    DemoUsers users) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private const string Prefix = "Basic ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        string? header = Request.Headers.Authorization;
        if (header is null || !header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.NoResult();
        }

        if (Read(header[Prefix.Length..]) is not var (name, password))
        {
            return AuthenticateResult.Fail("The Authorization header is not name:password in base64.");
        }

        var answer = await users.CheckAsync(name, password, Context.RequestAborted);
        return answer.User is { } user
            ? AuthenticateResult.Success(new AuthenticationTicket(CallerClaims.Of(user.Person, user.Roles, Scheme.Name), Scheme.Name))
            : AuthenticateResult.Fail(answer.Sentence);
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = $"Basic realm=\"{RestAuthentication.Realm}\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    private static (string Name, string Password)? Read(string encoded)
    {
        var text = encoded.Trim();
        if (!Base64.IsValid(text))
        {
            return null;
        }

        var credentials = Encoding.UTF8.GetString(Convert.FromBase64String(text));
        var colon = credentials.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 ? (credentials[..colon], credentials[(colon + 1)..]) : null;
    }
}
