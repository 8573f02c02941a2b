using System.Text;
using System.Text.Json;
using System.Xml.Linq;

namespace Portal.Identity;

/// <summary>The fault document of the REST API: a reason in few words and the detail.</summary>
public static class RestFault
{
    /// <summary>Writes a fault as JSON where the client asks for that, else as XML.</summary>
    public static async Task WriteAsync(HttpContext context, int status, string reason, string detail)
    {
        var response = context.Response;
        response.StatusCode = status;
        byte[] body;
        if (WantsJson(context.Request))
        {
            response.ContentType = "application/json; charset=utf-8";
            body = JsonSerializer.SerializeToUtf8Bytes(new { detail, reason });
        }
        else
        {
            response.ContentType = "application/xml; charset=utf-8";
            var document = new XElement("fault", new XElement("detail", detail), new XElement("reason", reason));
            body = Encoding.UTF8.GetBytes("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n" + document);
        }

        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    private static bool WantsJson(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().Accept;
        var json = accepted.FirstOrDefault(a => a.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase));
        var xml = accepted.FirstOrDefault(a => a.MediaType.Equals("application/xml", StringComparison.OrdinalIgnoreCase));
        return json is not null && (xml is null || (json.Quality ?? 1) > (xml.Quality ?? 1));
    }
}
