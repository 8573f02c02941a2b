using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Api;

/// <summary><c>attestationservices/{id}/attesters</c>: what a server knows and which host of ours it is; actions bind and unbind say so. <c>…/policies</c>: what it decides by. Actions enrol, reactivate
/// and remove act on one attester there: they answer at once, and the job tells how it ends.</summary>
/// <param name="attesters">Asks servers.</param>
/// <param name="bind">Binds and unbinds.</param>
/// <param name="control">Enrols, reactivates and removes.</param>
/// <param name="policies">Lists what servers keep.</param>
internal sealed class ServiceHostsResource(ServerAttesters attesters, BindHost bind, ControlAttester control, ServerPolicies policies) : IApiResource
{
    private const string Service = $"{AttestationServicesResource.Name}/{{id}}";

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Get($"{Service}/attesters", ListAsync);
        routes.Get($"{Service}/policies", PoliciesAsync);
        routes.Post($"{Service}/bind", call => ActAsync(call, isBinding: true));
        routes.Post($"{Service}/unbind", call => ActAsync(call, isBinding: false));
        routes.Post($"{Service}/attesters/enrol", call => BeginAsync(call, control.EnrolAsync));
        routes.Post($"{Service}/attesters/reactivate", call => BeginAsync(call, control.ReactivateAsync));
        routes.Post($"{Service}/attesters/remove", call => BeginAsync(call, control.RemoveAsync));
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

    private async Task<ApiAnswer> PoliciesAsync(ApiCall call)
    {
        if (call.Id is not { } id)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var listed = await policies.ListAsync(id, call.Ct);
        return listed.Succeeded
            ? ApiAnswer.Ok(Element.List("policies", "policy", listed.Value.Select(Document)))
            : ApiAnswer.Refused(listed.Refusal);
    }

    private static Element Document(PolicyOnServer one) => Element.Of(
        "policy",
        Element.Leaf("name", one.Policy.Name),
        Element.Leaf("type", Word(one.Policy.Kind)),
        one.Cluster is { } cluster ? Element.Of("cluster", Element.Leaf("name", cluster)) : null,
        one.Policy.Warning.Length > 0 ? Element.Leaf("warning", one.Policy.Warning) : null);

    private static string Word(KeptPolicyKind kind) => kind switch
    {
        KeptPolicyKind.Runtime => "runtime",
        KeptPolicyKind.MeasuredBoot => "measured_boot",
        KeptPolicyKind.FirmwareWhiteList => "firmware_white_list",
        KeptPolicyKind.HypervisorWhiteList => "hypervisor_white_list",
    };

    private static async Task<ApiAnswer> BeginAsync(ApiCall call, Func<Caller, Guid, string, CancellationToken, Task<Outcome<Guid>>> begin)
    {
        var (id, body, refused) = await ReadAsync(call);
        if (refused is not null)
        {
            return refused;
        }

        if (body!.Word("name") is not { Length: > 0 } name)
        {
            body.Refuse("service.name_there.required", "name", "The action does not say which attester is meant.", "Give name as the service's attesters have it.");
            return ActionDocument.Failed(body.Wrong!);
        }

        var begun = await begin(call.Caller, id, name, call.Ct);
        return begun.Succeeded ? ActionDocument.Pending(Element.Link("job", call.Href(JobsResource.Name, begun.Value), begun.Value.ToString())) : ActionDocument.Failed(begun.Refusal);
    }

    private static async Task<(Guid Id, FieldReader? Body, ApiAnswer? Refused)> ReadAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, ServiceDocument.Kind) is { } denied)
        {
            return (default, null, ActionDocument.Failed(denied));
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        return refused is not null ? (default, null, ActionDocument.Failed(refused))
            : call.Id is not { } id ? (default, null, ActionDocument.Failed(NotFound(call)))
            : (id, new FieldReader(root ?? Element.Of(ActionDocument.Root)), null);
    }

    private async Task<ApiAnswer> ActAsync(ApiCall call, bool isBinding)
    {
        var (id, body, refused) = await ReadAsync(call);
        if (refused is not null || body is null)
        {
            return refused!;
        }

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
