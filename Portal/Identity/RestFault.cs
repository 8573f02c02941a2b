using Portal.Api;

namespace Portal.Identity;

/// <summary>The fault document of the REST API: a reason in few words, the detail, and a stable code.</summary>
public static class RestFault
{
    /// <summary>Writes a fault as JSON where the client asks for that, else as XML.</summary>
    public static async Task WriteAsync(HttpContext context, int status, string reason, string detail, string code)
    {
        var form = Negotiation.Choose(context.Request.Headers) ?? DocumentForm.Xml;
        var body = DocumentWriter.Write(
            Element.Of("fault", Element.Leaf("reason", reason), Element.Leaf("detail", detail), Element.Leaf("code", code)),
            form);
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = DocumentWriter.ContentType(form);
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
