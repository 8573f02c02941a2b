using System.Globalization;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Audit;

namespace Portal.Api;

/// <summary>One call of the API.</summary>
/// <param name="http">The request.</param>
/// <param name="caller">Who calls.</param>
/// <param name="basePath">The path the client knows the API by; what it is told of begins with it.</param>
/// <param name="access">Who may.</param>
internal sealed class ApiCall(HttpContext http, Caller caller, string basePath, AccessControl access)
{
    public Caller Caller => caller;

    public CancellationToken Ct => http.RequestAborted;

    public HttpRequest Request => http.Request;

    /// <summary>Headers to answer with.</summary>
    public IHeaderDictionary ResponseHeaders => http.Response.Headers;

    /// <summary>The path of something, for example of <c>vms/{id}</c>.</summary>
    public string Href(params IEnumerable<object> parts) => string.Join('/', [basePath, .. parts]);

    /// <summary>The id in the path; null when it is no id, so that nothing is there.</summary>
    public Guid? Id => Guid.TryParse(RouteId, out var id) ? id : null;

    /// <summary>The id in the path as it was written.</summary>
    public string RouteId => http.GetRouteValue("id") as string ?? "";

    /// <summary>A parameter of the query, or of the path (<c>vms;max=3</c>), or null.</summary>
    public string? Parameter(string name) => Request.Query.TryGetValue(name, out var values)
        ? values.ToString()
        : http.Features.Get<MatrixParameters>()?.Values.GetValueOrDefault(name);

    /// <summary>How many the client wants at most; null for all.</summary>
    public Outcome<int?> Max()
    {
        if (Parameter("max") is not { Length: > 0 } text)
        {
            return (int?)null;
        }

        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var max)
            ? (max < 0 ? (int?)null : max)
            : Refusal.Invalid("list.max", "max", $"'{FieldReader.Short(text)}' is not a number of things.", "Give max as a whole number, or leave it out for all.");
    }

    /// <summary>The refusal when the caller may not; audited.</summary>
    public Task<Refusal?> DemandAsync(Permission permission, string kind) =>
        access.DemandAsync(caller, permission, new AuditTarget(kind, Id, RouteId), Ct);

    /// <summary>The body, or the answer that refuses it.</summary>
    public Task<(Element? Root, ApiAnswer? Refused)> BodyAsync(string root) => RequestBody.ReadAsync(Request, root);
}

/// <summary>What old clients put behind a semicolon in the path.</summary>
/// <param name="Values">Name to value.</param>
internal sealed record MatrixParameters(IReadOnlyDictionary<string, string> Values);
