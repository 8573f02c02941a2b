using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>hosts/{id}/attester</c>: which registered TPM may be a host's, and why; actions enrol, replace (waits for a second person), confirm and reject.</summary>
/// <param name="hosts">Reads hosts.</param>
/// <param name="registrations">Reads TPMs that registered.</param>
/// <param name="matches">Proposes.</param>
/// <param name="enrol">Enrols the first.</param>
/// <param name="replace">Replaces it by another.</param>
internal sealed class HostAttesterResource(HostDirectory hosts, RegistrationDirectory registrations, AttesterMatches matches, EnrolRegistered enrol, ReplaceAttester replace) : IApiResource
{
    private const string Kind = "attester";

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        var path = $"{HostsResource.Name}/{{id}}/{Kind}";
        routes.Get(path, GetAsync);
        routes.Post($"{path}/enrol", call => ActAsync(call, Permission.ManageHosts, EnrolAsync));
        routes.Post($"{path}/replace", call => ActAsync(call, Permission.ManageHosts, ReplaceAsync));
        routes.Post($"{path}/confirm", call => ActAsync(call, Permission.ManageClusters, (c, row, body) => DecideAsync(c, row, body, replace.ConfirmAsync)));
        routes.Post($"{path}/reject", call => ActAsync(call, Permission.ManageClusters, (c, row, body) => DecideAsync(c, row, body, replace.RejectAsync)));
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call)
    {
        if (call.Id is not { } id || await hosts.FindAsync(id, call.Ct) is not { } row)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var (present, waiting, proposed) = (await registrations.OfHostAsync(id, call.Ct), await replace.OfHostAsync(id, call.Ct), await matches.OfHostAsync(id, call.Ct));
        var href = call.Href(HostsResource.Name, row.Host.Id, Kind);
        return ApiAnswer.Ok(Element.Of(
            "host_attester",
            Element.List("actions", "link", new[] { "enrol", "replace", "confirm", "reject" }.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
            present is null ? null : Attester(call, present.Attester.Id, present.Attester.AgentId, Kind),
            waiting is null ? null : Waiting(call, waiting),
            Element.List("proposals", "proposal", proposed.Select(m => Proposal(call, m)))));
    }

    private async Task<ApiAnswer> EnrolAsync(ApiCall call, HostRow row, FieldReader body) =>
        Registration(body) is not { } id ? ActionDocument.Failed(body.Wrong!)
        : Answer(await enrol.ExecuteAsync(call.Caller, id, new HostToEnrol(row.Host.Name, row.Host.ClusterId), call.Ct));

    private async Task<ApiAnswer> ReplaceAsync(ApiCall call, HostRow row, FieldReader body)
    {
        if (Registration(body) is not { } id)
        {
            return ActionDocument.Failed(body.Wrong!);
        }

        var proposed = await replace.ProposeAsync(call.Caller, row.Host.Id, id, call.Ct);
        return proposed.Succeeded
            ? ActionDocument.Pending(Element.Of("waiting_change").With([KeyValuePair.Create("id", proposed.Value.ToString())]))
            : ActionDocument.Failed(proposed.Refusal);
    }

    private static async Task<ApiAnswer> DecideAsync(ApiCall call, HostRow row, FieldReader body, Func<Caller, Guid, Guid, CancellationToken, Task<Outcome<Done>>> decide)
    {
        if (!Guid.TryParse(body.Word("change.id"), out var change))
        {
            body.Refuse("attester.change.required", "change.id", "The action does not say which change is meant.", "Give change.id as the host's attester has it in waiting_change.");
            return ActionDocument.Failed(body.Wrong!);
        }

        return Answer(await decide(call.Caller, row.Host.Id, change, call.Ct));
    }

    private async Task<ApiAnswer> ActAsync(ApiCall call, Permission permission, Func<ApiCall, HostRow, FieldReader, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(permission, "host") is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        return call.Id is { } id && await hosts.FindAsync(id, call.Ct) is { } row
            ? await act(call, row, new FieldReader(root ?? Element.Of(ActionDocument.Root)))
            : ActionDocument.Failed(NotFound(call));
    }

    private static Guid? Registration(FieldReader body)
    {
        if (Guid.TryParse(body.Word("attester.id"), out var id))
        {
            return id;
        }

        body.Refuse("attester.id.required", "attester.id", "The action names no attester.", "Give attester.id as the collection attesters has it.");
        return null;
    }

    private static ApiAnswer Answer<T>(Outcome<T> done) => done.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(done.Refusal);

    private static Element Attester(ApiCall call, Guid id, string agent, string name) =>
        Element.Of(name, Element.Leaf("name", agent)).With([KeyValuePair.Create("href", call.Href(AttestersResource.Name, id)), KeyValuePair.Create("id", id.ToString())]);

    private static Element Proposal(ApiCall call, AttesterMatch match) => Element.Of(
        "proposal",
        Attester(call, match.RegistrationId, match.AgentId, Kind),
        Element.Leaf("confidence", match.Confidence.ToString().ToLowerInvariant()),
        Element.List("reasons", "reason", match.Reasons.Select(r => Element.Leaf("reason", r))));

    private static Element Waiting(ApiCall call, WaitingReplacement waiting) => Element.Of(
        "waiting_change",
        Attester(call, waiting.Registration.Attester.Id, waiting.Registration.Attester.AgentId, Kind),
        waiting.Registration.WaitsFor is { } waits ? Element.Leaf("waits_for", waits) : null,
        Element.Leaf("proposed_by", waiting.Replacement.PersonName),
        Element.At("proposed_at", waiting.Replacement.At),
        Element.Flag("is_void", waiting.IsVoid))
        .With([KeyValuePair.Create("id", waiting.Replacement.Id.ToString())]);

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound("host", FieldReader.Short(call.RouteId));
}
