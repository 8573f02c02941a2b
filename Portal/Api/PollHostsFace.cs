using System.Globalization;
using System.Text.Json;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Identity;
using Portal.Profiles;

namespace Portal.Api;

/// <summary>
/// <c>PollHosts</c> as OpenAttestation 2.x answers it, for schedulers that know only that: oVirt's engine, OpenStack's old filter. Signed in as at the
/// REST API; off until enabled. It answers from what is known and asks no host; its <c>vtime</c> is when the evidence began, and long ago for none.
/// </summary>
internal static class PollHostsFace
{
    /// <summary>Where it answers.</summary>
    public const string Path = "/AttestationService/resources/PollHosts";

    /// <summary>Most hosts in one question.</summary>
    public const int MostHosts = 10_000;

    private const int LongestName = 255;

    public static void MapPollHosts(this IEndpointRouteBuilder endpoints, PortalProfile profile)
    {
        if (profile.PollHosts.Enabled)
        {
            endpoints.MapPost(Path, AnswerAsync).RequireRestCaller();
        }
    }

    private static async Task<IResult> AnswerAsync(HttpContext http, TrustAnswers answers, AccessControl access)
    {
        var ct = http.RequestAborted;
        if (await access.DemandAsync(http.RestCaller(), Permission.Read, new AuditTarget("hosts", null, "all hosts"), ct) is { } denied)
        {
            return Fault(StatusCodes.Status403Forbidden, "AS_NOT_ALLOWED", denied.Sentence);
        }

        var (names, refused) = await NamesAsync(http.Request, ct);
        if (names is null)
        {
            return Fault(StatusCodes.Status400BadRequest, "AS_BAD_REQUEST", refused);
        }

        var said = await answers.OfAsync(names, ct);
        return Results.Json(new
        {
            hosts = said.Select(a => new
            {
                host_name = a.Name,
                trust_lvl = a.IsTrusted ? "trusted" : a.IsUntrusted ? "untrusted" : "unknown",
                vtime = Stamp(a.VerifiedAt),
            }),
        });
    }

    /// <summary>Never verified is long ago: a client that keeps answers for a while does not keep this one.</summary>
    private static string Stamp(DateTimeOffset? verifiedAt) =>
        (verifiedAt ?? DateTimeOffset.UnixEpoch).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'+0000'", CultureInfo.InvariantCulture);

    /// <summary>The hosts of the question: a list, or as OpenStack sends a single one, a text.</summary>
    private static async Task<(IReadOnlyList<string>? Names, string Refused)> NamesAsync(HttpRequest request, CancellationToken ct)
    {
        try
        {
            using var body = await JsonDocument.ParseAsync(request.Body, new JsonDocumentOptions { MaxDepth = 8 }, ct);
            if (body.RootElement.ValueKind != JsonValueKind.Object || !body.RootElement.TryGetProperty("hosts", out var hosts))
            {
                return (null, "The body has no 'hosts'.");
            }

            var names = hosts.ValueKind switch
            {
                JsonValueKind.String => [hosts.GetString()!],
                JsonValueKind.Array => hosts.EnumerateArray().Select(h => h.ValueKind == JsonValueKind.String ? h.GetString()! : "").ToList(),
                _ => (List<string>?)null,
            };
            return names switch
            {
                null => (null, "'hosts' is a list of names, or one name."),
                { Count: > MostHosts } => (null, $"'hosts' names more than {MostHosts} hosts."),
                _ when names.Exists(n => n.Length is 0 or > LongestName) => (null, $"A name in 'hosts' is empty or no text, or longer than {LongestName} characters."),
                _ => (names, ""),
            };
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return (null, "The body is not JSON.");
        }
    }

    private static IResult Fault(int status, string code, string message) => Results.Json(new { error_code = code, error_message = message }, statusCode: status);
}
