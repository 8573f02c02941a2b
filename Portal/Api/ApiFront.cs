using System.Text.RegularExpressions;

namespace Portal.Api;

/// <summary>What has to happen to a request of the API before anything else looks at it.</summary>
internal sealed partial class ApiFront : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use((http, following) =>
        {
            if (OvirtApi.BasePaths.Any(basePath => StartsWith(http.Request.Path, basePath)))
            {
                CloseAfterGetWithBody(http);
                AnswerCorrelation(http);
                TakeMatrixParameters(http);
            }

            return following(http);
        });
        next(app);
    };

    private static bool StartsWith(PathString path, string basePath) =>
        path.StartsWithSegments(basePath, StringComparison.OrdinalIgnoreCase, out var rest) || (path.Value?.StartsWith(basePath + ";", StringComparison.OrdinalIgnoreCase) == true && !rest.HasValue);

    /// <summary>libgovirt sends a length with GET but, when it repeats the request with credentials, no such body: what follows on the connection would be eaten as the body.</summary>
    private static void CloseAfterGetWithBody(HttpContext http)
    {
        var request = http.Request;
        var mayLie = (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)) && request.ContentLength > 0;
        if (mayLie && HttpProtocol.IsHttp11(request.Protocol))
        {
            http.Response.Headers.Connection = "close";
        }
    }

    private static void AnswerCorrelation(HttpContext http)
    {
        var given = http.Request.Headers["Correlation-Id"].ToString();
        http.Response.Headers["Correlation-Id"] = Plain().IsMatch(given) ? given : Guid.NewGuid().ToString();
    }

    private static void TakeMatrixParameters(HttpContext http)
    {
        if (http.Request.Path.Value is not { } path || !path.Contains(';', StringComparison.Ordinal))
        {
            return;
        }

        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match match in Matrix().Matches(path))
        {
            values[match.Groups["name"].Value] = match.Groups["value"].Value;
        }

        http.Request.Path = Matrix().Replace(path, "");
        http.Features.Set(new MatrixParameters(values));
    }

    [GeneratedRegex(";(?<name>[^;/=]*)=?(?<value>[^;/]*)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Matrix();

    [GeneratedRegex("^[A-Za-z0-9._:-]{1,64}$", RegexOptions.NonBacktracking)]
    private static partial Regex Plain();
}
