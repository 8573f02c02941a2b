using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>templates</c>: list and get.</summary>
/// <param name="clusters">Reads templates.</param>
internal sealed class TemplatesResource(ClusterDirectory clusters) : IApiResource
{
    public const string Name = "templates";

    private const string Kind = "template";

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow(await clusters.TemplatesAsync(call.Ct), template => template.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(template => Document(call, template))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && (await clusters.TemplatesAsync(call.Ct)).FirstOrDefault(t => t.Id == id) is { } template
            ? ApiAnswer.Ok(Document(call, template))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));

    private static Element Document(ApiCall call, Template template) => Element.Of(
        Kind,
        Element.Leaf("name", template.Name),
        Element.Leaf("description", template.Description),
        Element.Leaf("status", "ok"),
        Element.Number("memory", template.Memory),
        Element.Of("cpu", VmDocument.Topology(template.Cpus)))
        .With([KeyValuePair.Create("href", call.Href(Name, template.Id)), KeyValuePair.Create("id", template.Id.ToString())]);
}
