using Portal.Core;
using Portal.Core.Access;
using Portal.Identity;

namespace Portal.Api;

/// <summary>
/// A part of the API. A contribution: what is registered with <c>services.AddSingleton&lt;IApiResource, MyResource&gt;()</c> is
/// served below every base path, and linked from the root when it is a collection.
/// </summary>
internal interface IApiResource
{
    /// <summary>Name of the collection, for the root's links: <c>vms</c>; null for what is none.</summary>
    string? Collection { get; }

    /// <summary>Maps the resource's routes.</summary>
    void Map(ApiRoutes routes);
}

/// <summary>Maps handlers below one base path. Reading demands the permission here; commands demand theirs in the core.</summary>
/// <param name="endpoints">The group of the base path.</param>
/// <param name="basePath">The base path.</param>
/// <param name="access">Who may.</param>
/// <param name="log">For faults nobody foresaw.</param>
internal sealed partial class ApiRoutes(IEndpointRouteBuilder endpoints, string basePath, AccessControl access, ILogger log)
{
    private const string OnlyVersion = "4";

    /// <summary>Maps a reading handler, for GET and HEAD.</summary>
    public void Get(string pattern, Func<ApiCall, Task<ApiAnswer>> handler) => Map(pattern, ["GET", "HEAD"], call => ReadAsync(call, handler));

    public void Post(string pattern, Func<ApiCall, Task<ApiAnswer>> handler) => Map(pattern, ["POST"], handler);

    public void Put(string pattern, Func<ApiCall, Task<ApiAnswer>> handler) => Map(pattern, ["PUT"], handler);

    public void Delete(string pattern, Func<ApiCall, Task<ApiAnswer>> handler) => Map(pattern, ["DELETE"], handler);

    public void Options(string pattern, Func<ApiCall, Task<ApiAnswer>> handler) => Map(pattern, ["OPTIONS"], handler);

    /// <summary>Answers what nothing else does.</summary>
    public void Otherwise() => endpoints.Map("{**path}", (RequestDelegate)NowhereAsync);

    private Task NowhereAsync(HttpContext http) => RunAsync(http, _ => Task.FromResult(Nowhere(http.Request)));

    private void Map(string pattern, IReadOnlyList<string> methods, Func<ApiCall, Task<ApiAnswer>> handler) =>
        endpoints.MapMethods(pattern, methods, (RequestDelegate)(http => RunAsync(http, handler)));

    private static ApiAnswer Nowhere(HttpRequest request) => ApiAnswer.Refused(new Refusal(
        "api.not_found",
        RefusalKind.NotFound,
        $"There is nothing here for {request.Method} {request.Path}.",
        "Follow the links from the root of the API."));

    private static async Task<ApiAnswer> ReadAsync(ApiCall call, Func<ApiCall, Task<ApiAnswer>> handler) =>
        await call.DemandAsync(Permission.Read, "api") is { } denied ? ApiAnswer.Refused(denied) : await handler(call);

    private async Task RunAsync(HttpContext http, Func<ApiCall, Task<ApiAnswer>> handler)
    {
        var form = Negotiation.Choose(http.Request.Headers);
        var answer = form is null ? NotAcceptable() : await AnswerAsync(http, handler);
        await WriteAsync(http, answer, form ?? DocumentForm.Xml);
    }

    private async Task<ApiAnswer> AnswerAsync(HttpContext http, Func<ApiCall, Task<ApiAnswer>> handler)
    {
        if (http.Request.Headers["Version"].ToString() is { Length: > 0 } version && version != OnlyVersion)
        {
            return ApiAnswer.Refused(Refusal.Invalid("api.version", "Version", $"Version '{FieldReader.Short(version)}' of the API is not served.", $"Ask for version {OnlyVersion}, or leave the header out."));
        }

        try
        {
            return await handler(new ApiCall(http, http.RestCaller(), http.Request.PathBase + basePath, access));
        }
        catch (BadHttpRequestException fault) when (fault.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            return RequestBody.TooLong();
        }
        catch (BadHttpRequestException fault)
        {
            return ApiAnswer.Fault(fault.StatusCode, Refusal.Invalid("body.unreadable", "body", "The body cannot be read.", "Send it again, whole."));
        }
        catch (Exception fault) when (!http.RequestAborted.IsCancellationRequested)
        {
            Unforeseen(log, http.Request.Method, http.Request.Path, fault);
            return ApiAnswer.Fault(StatusCodes.Status500InternalServerError, new Refusal(
                "api.broken", RefusalKind.Unavailable, "The portal met a fault of its own.", "Try again; if it happens twice, see the portal's log."));
        }
    }

    private static ApiAnswer NotAcceptable() => ApiAnswer.Fault(
        StatusCodes.Status406NotAcceptable,
        Refusal.Invalid("api.accept", "Accept", "Answers are XML or JSON; by its Accept header the client takes neither.", "Accept application/xml or application/json."));

    private static async Task WriteAsync(HttpContext http, ApiAnswer answer, DocumentForm form)
    {
        var response = http.Response;
        response.StatusCode = answer.Status;
        response.Headers.Vary = "Accept";
        response.Headers.CacheControl = "no-store";
        if (answer.Location is { } location)
        {
            response.Headers.Location = location;
        }

        if (answer.Document is not { } document)
        {
            response.ContentLength = 0;
            return;
        }

        var bytes = DocumentWriter.Write(document, form);
        response.ContentType = DocumentWriter.ContentType(form);
        response.ContentLength = bytes.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            await response.Body.WriteAsync(bytes, http.RequestAborted);
        }
    }

    [LoggerMessage(2101, LogLevel.Error, "The REST API failed unexpectedly on {Method} {Path}")]
    private static partial void Unforeseen(ILogger log, string method, string path, Exception fault);
}
