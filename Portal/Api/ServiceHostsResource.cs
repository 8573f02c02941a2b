using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Api;

/// <summary><c>attestationservices/{id}/attesters</c>: what a server knows and which host of ours it is; actions bind and unbind say so.</summary>
/// <param name="attesters">Asks servers.</param>
/// <param name="bind">Binds and unbinds.</param>
internal sealed class ServiceHostsResource(ServerAttesters attesters, BindHost bind) : IApiResource
{
    private const string Service = $"{AttestationServicesResource.Name}/{{id}}";

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Get($"{Service}/attesters", ListAsync);
        routes.Post($"{Service}/bind", call => ActAsync(call, isBinding: true));
        routes.Post($"{Service}/unbind", call => ActAsync(call, isBinding: false));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        if (call.Id is not { } id)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var listed = await attesters.ListAsync(id, call.Ct);
        return listed.Succeeded
            ? ApiAnswer.Ok(Element.List("attesters", "attester", listed.Value.Select(one => Document(call, one))))
            : ApiAnswer.Refused(listed.Refusal);
    }

    private async Task<ApiAnswer> ActAsync(ApiCall call, bool isBinding)
    {
        if (await call.DemandAsync(Permission.ManageHosts, ServiceDocument.Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        if (call.Id is not { } id)
        {
            return ActionDocument.Failed(NotFound(call));
        }

        var body = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        if (!Guid.TryParse(body.Word("host.id"), out var host))
        {
            body.Refuse("service.host.required", "host.id", "The action names no host.", "Give host.id.");
        }

        var name = isBinding ? body.Word("name") : null;
        if (isBinding && name is null)
        {
            body.Refuse("service.name_there.required", "name", "The action does not say what the service calls the host.", "Give name as the service's attesters have it.");
        }

        if (body.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        var done = await bind.ExecuteAsync(call.Caller, new(id, host, name), call.Ct);
        return done.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(done.Refusal);
    }

    private static Element Document(ApiCall call, AttesterOnServer one) => Element.Of(
        "attester",
        Element.Leaf("name", one.Attester.Name),
        one.Attester.Address.Length > 0 ? Element.Leaf("address", one.Attester.Address) : null,
        Element.Flag("is_enrolled", one.Attester.IsEnrolled),
        one.Attester.Detail.Length > 0 ? Element.Leaf("description", one.Attester.Detail) : null,
        Host(call, "host", one.HostId, one.HostName),
        Host(call, "proposed_host", one.ProposedId, one.ProposedName));

    private static Element? Host(ApiCall call, string element, Guid? id, string? name) => id is { } host
        ? Element.Of(element, Element.Leaf("name", name ?? "")).With([KeyValuePair.Create("href", call.Href(HostsResource.Name, host)), KeyValuePair.Create("id", host.ToString())])
        : null;

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound("service", FieldReader.Short(call.RouteId));
}
