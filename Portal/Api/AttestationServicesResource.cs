using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>attestationservices</c>: list, get, create, change and delete; actions test, confirm and reject. A private key is taken and never given back.</summary>
/// <param name="directory">Reads services.</param>
/// <param name="add">Adds servers.</param>
/// <param name="edit">Changes them.</param>
/// <param name="decide">Confirms and rejects what waits for a second person.</param>
/// <param name="remove">Removes them.</param>
/// <param name="test">Tries the way to them.</param>
internal sealed class AttestationServicesResource(ServiceDirectory directory, AddServer add, EditServer edit, DecideServerChange decide, RemoveServer remove, TestServer test) : IApiResource
{
    public const string Name = "attestationservices";

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Post(Name, AddAsync);
        routes.Put($"{Name}/{{id}}", EditAsync);
        routes.Delete($"{Name}/{{id}}", RemoveAsync);
        routes.Post($"{Name}/{{id}}/test", call => ActAsync(call, TestAsync));
        routes.Post($"{Name}/{{id}}/confirm", call => ActAsync(call, (c, row, body) => DecideAsync(c, row, body, decide.ConfirmAsync)));
        routes.Post($"{Name}/{{id}}/reject", call => ActAsync(call, (c, row, body) => DecideAsync(c, row, body, decide.RejectAsync)));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow(await directory.ListAsync(call.Ct), row => row.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List("attestation_services", ServiceDocument.Kind, found.Value.Select(row => ServiceDocument.Of(call, row))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        await FindAsync(call) is { } row ? ApiAnswer.Ok(ServiceDocument.Of(call, row)) : ApiAnswer.Refused(NotFound(call));

    private async Task<ApiAnswer> AddAsync(ApiCall call)
    {
        var (fields, refused) = await ReadAsync(call);
        if (fields is null)
        {
            return refused!;
        }

        var (words, client) = (fields.Words(null), fields.Client());
        if (fields.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var added = await add.ExecuteAsync(call.Caller, new(words, client), call.Ct);
        return added.Succeeded && await directory.FindAsync(added.Value, call.Ct) is { } row
            ? ApiAnswer.Created(ServiceDocument.Of(call, row), call.Href(Name, added.Value))
            : Refused(added.Refusal ?? NotFound(call));
    }

    private async Task<ApiAnswer> EditAsync(ApiCall call)
    {
        var (fields, refused) = await ReadAsync(call);
        if (fields is null)
        {
            return refused!;
        }

        if (await FindAsync(call) is not { } row)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        if (row.Server is not { } server)
        {
            return ApiAnswer.Refused(BuiltIn());
        }

        var (words, client) = (fields.Words(server), fields.Client());
        if (fields.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var changed = await edit.ExecuteAsync(call.Caller, new(server.Id, server.Version, words, client), call.Ct);
        return !changed.Succeeded ? Refused(changed.Refusal)
            : await directory.FindAsync(server.Id, call.Ct) is not { } after ? ApiAnswer.Refused(NotFound(call))
            : changed.Value.Effect is PolicyEffect.WaitsForSecondPerson ? new ApiAnswer(StatusCodes.Status202Accepted, ServiceDocument.Of(call, after))
            : ApiAnswer.Ok(ServiceDocument.Of(call, after));
    }

    private async Task<ApiAnswer> RemoveAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageClusters, ServiceDocument.Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (await FindAsync(call) is not { } row)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        if (row.IsBuiltIn)
        {
            return ApiAnswer.Refused(BuiltIn());
        }

        var removed = await remove.ExecuteAsync(call.Caller, row.Id, call.Ct);
        return removed.Succeeded ? ActionDocument.Complete() : ApiAnswer.Refused(removed.Refusal);
    }

    private async Task<ApiAnswer> ActAsync(ApiCall call, Func<ApiCall, ServiceRow, FieldReader, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(Permission.ManageClusters, ServiceDocument.Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        return await FindAsync(call) is not { } row ? ActionDocument.Failed(NotFound(call))
            : row.IsBuiltIn ? ActionDocument.Failed(BuiltIn())
            : await act(call, row, new FieldReader(root ?? Element.Of(ActionDocument.Root)));
    }

    private async Task<ApiAnswer> TestAsync(ApiCall call, ServiceRow row, FieldReader body)
    {
        var asProposed = body.Flag("as_proposed") ?? false;
        if (body.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        var tested = await test.ExecuteAsync(call.Caller, row.Id, asProposed, call.Ct);
        return tested.Succeeded ? ActionDocument.Complete(ServiceDocument.Lines(tested.Value)) : ActionDocument.Failed(tested.Refusal);
    }

    /// <summary>The change is named, so that nobody confirms another than they read.</summary>
    private static async Task<ApiAnswer> DecideAsync(ApiCall call, ServiceRow row, FieldReader body, Func<Caller, Guid, Guid, CancellationToken, Task<Outcome<ServerChange>>> decide)
    {
        if (!Guid.TryParse(body.Word("change.id"), out var change))
        {
            body.Refuse("service.change.required", "change.id", "The action does not say which change is meant.", "Give change.id as the service's waiting_change has it.");
            return ActionDocument.Failed(body.Wrong!);
        }

        var decided = await decide(call.Caller, row.Id, change, call.Ct);
        return decided.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(decided.Refusal);
    }

    private static async Task<(ServiceFields? Fields, ApiAnswer? Refused)> ReadAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageClusters, ServiceDocument.Kind) is { } denied)
        {
            return (null, ApiAnswer.Refused(denied));
        }

        var (root, refused) = await call.BodyAsync(ServiceDocument.Kind);
        return refused is null ? (new ServiceFields(new FieldReader(root ?? Element.Of(ServiceDocument.Kind))), null) : (null, refused);
    }

    private Task<ServiceRow?> FindAsync(ApiCall call) => call.Id is { } id ? directory.FindAsync(id, call.Ct) : Task.FromResult<ServiceRow?>(null);

    private static ApiAnswer Refused(Refusal refusal) => ApiAnswer.Refused(refusal with { Field = ServiceFields.Element(refusal.Field) });

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound("service", FieldReader.Short(call.RouteId));

    private static Refusal BuiltIn() => Refusal.Conflict("service.builtin", "The built-in verifier is part of this portal and has no settings.", "Change a service of type keylime or openattestation.");
}
