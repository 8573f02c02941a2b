using Microsoft.AspNetCore.Http.Headers;
using Microsoft.Net.Http.Headers;

namespace Portal.Api;

/// <summary>Chooses the form of an answer by the client's Accept (RFC 9110, section 12.5.1); XML when it does not mind.</summary>
internal static class Negotiation
{
    /// <summary>The form to answer in; null when the client takes neither.</summary>
    public static DocumentForm? Choose(IHeaderDictionary headers)
    {
        var accepted = new RequestHeaders(headers).Accept;
        if (accepted.Count == 0)
        {
            return DocumentForm.Xml;
        }

        var text = accepted.FirstOrDefault(a => a.MediaType.Equals("text/xml", StringComparison.OrdinalIgnoreCase));
        var xml = Math.Max(Quality(accepted, "application", "xml"), text is null ? 0 : text.Quality ?? 1);
        var json = Quality(accepted, "application", "json");
        return (xml, json) switch
        {
            ( <= 0, <= 0) => null,
            _ => json > xml ? DocumentForm.Json : DocumentForm.Xml,
        };
    }

    /// <summary>The weight of the most specific range that covers the type.</summary>
    private static double Quality(IList<MediaTypeHeaderValue> accepted, string type, string subType) => accepted
        .Where(a => (a.MatchesAllTypes || a.Type.Equals(type, StringComparison.OrdinalIgnoreCase)) && (a.MatchesAllSubTypes || a.SubType.Equals(subType, StringComparison.OrdinalIgnoreCase)))
        .OrderBy(a => a.MatchesAllTypes ? 2 : a.MatchesAllSubTypes ? 1 : 0)
        .Select(a => a.Quality ?? 1)
        .FirstOrDefault();
}
