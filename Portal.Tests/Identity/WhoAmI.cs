using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Portal.Core.Access;
using Portal.Extensions;
using Portal.Identity;

namespace Portal.Tests.Identity;

/// <summary>Endpoints that say who asks: one as pages are protected, one as the REST API is.</summary>
internal static class WhoAmI
{
    public static AdditionalEndpoints Page { get; } = new(app =>
    {
        app.MapGet("/who", (HttpContext context) => Words(context.User.ToCaller()!));
        app.MapGet("/claims", (HttpContext context) => string.Join(' ', context.User.Claims.Select(c => c.Type).Distinct().Order()));
    });

    public static AdditionalEndpoints Rest { get; } = new(app =>
    {
        var rest = app.MapGroup("/rest").RequireRestCaller();
        rest.MapGet("/who", (HttpContext context) => Words(context.RestCaller()));
        rest.MapPost("/echo", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            return (await reader.ReadToEndAsync()).Length.ToString(System.Globalization.CultureInfo.InvariantCulture);
        });
    });

    private static string Words(Caller caller) =>
        $"{caller.Person.Issuer}|{caller.Person.Subject}|{caller.Person.Name}|{string.Join(',', caller.Roles)}";
}
