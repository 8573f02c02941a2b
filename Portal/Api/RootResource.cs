using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary>The root of the API: where everything else is.</summary>
/// <param name="resources">What there is.</param>
/// <param name="hosts">Counts hosts.</param>
/// <param name="vms">Counts VMs.</param>
/// <param name="time">Our clock.</param>
internal sealed class RootResource(IEnumerable<IApiResource> resources, HostDirectory hosts, VirtualMachineDirectory vms, TimeProvider time)
{
    private readonly string[] collections = [.. resources.Select(r => r.Collection).OfType<string>()];

    public void Map(ApiRoutes routes)
    {
        routes.Get("", GetAsync);
        routes.Options("", call =>
        {
            call.ResponseHeaders.Allow = "GET, HEAD, OPTIONS";
            Announce(call);
            return Task.FromResult(new ApiAnswer(StatusCodes.Status200OK));
        });
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call)
    {
        Announce(call);
        return ApiAnswer.Ok(Element.Of(
            "api",
            [
                .. Links(call).Select(l => Element.Link("link", l.Href, rel: l.Rel)),
                Product(),
                Element.Of("special_objects", Element.Link("blank_template", call.Href(TemplatesResource.Name, Template.Blank), Template.Blank.ToString())),
                Element.Of("summary", await HostsAsync(call.Ct), await VmsAsync(call.Ct)),
                Element.At("time", time.GetUtcNow()),
            ]).Listing("link"));
    }

    private void Announce(ApiCall call) =>
        call.ResponseHeaders.Link = string.Join(", ", Links(call).Select(l => $"<{l.Href}>; rel=\"{l.Rel}\""));

    private IEnumerable<(string Rel, string Href)> Links(ApiCall call) => collections.SelectMany(name =>
        new[] { (name, call.Href(name)), ($"{name}/search", $"{call.Href(name)}?search={{query}}") });

    /// <summary>The version is that of the interface clients expect here.</summary>
    private static Element Product() => Element.Of(
        "product_info",
        Element.Leaf("name", "Portal"),
        Element.Leaf("vendor", "Portal"),
        Element.Of(
            "version",
            Element.Number("build", 0),
            Element.Leaf("full_version", "4.5.0"),
            Element.Number("major", 4),
            Element.Number("minor", 5),
            Element.Number("revision", 0)));

    private async Task<Element> HostsAsync(CancellationToken ct) => Count(
        HostsResource.Name,
        await hosts.ListAsync(new HostQuery { Search = "state=up", Take = 1 }, ct),
        await hosts.ListAsync(new HostQuery { Take = 1 }, ct));

    private async Task<Element> VmsAsync(CancellationToken ct) => Count(
        VmsResource.Name,
        await vms.ListAsync(new VirtualMachineQuery { Search = "status=up", Take = 1 }, ct),
        await vms.ListAsync(new VirtualMachineQuery { Take = 1 }, ct));

    private static Element Count<T>(string name, Outcome<Page<T>> active, Outcome<Page<T>> all) => Element.Of(
        name,
        Element.Number("active", active.Value.Total),
        Element.Number("total", all.Value.Total));
}
