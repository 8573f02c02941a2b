using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Connecting;

namespace Portal.Api;

/// <summary>Changes of <c>hosts</c>: create by libvirt URI, change and delete; actions test, confirm and reject. A private key is taken and never given back.</summary>
/// <param name="hosts">Reads hosts.</param>
/// <param name="connections">Reads the ways to them.</param>
/// <param name="clusters">Finds a cluster by name.</param>
/// <param name="add">Adds hosts.</param>
/// <param name="edit">Changes them.</param>
/// <param name="decide">Confirms and rejects what waits for a second person.</param>
/// <param name="remove">Removes them.</param>
/// <param name="test">Tries the way to them.</param>
internal sealed class HostChangesResource(
    HostDirectory hosts, HostConnections connections, ClusterDirectory clusters, AddHost add, EditHost edit, DecideConnection decide, RemoveHost remove, TestConnection test) : IApiResource
{
    private const string Name = HostsResource.Name;
    private const string Kind = HostFields.Kind;

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Post(Name, AddAsync);
        routes.Put($"{Name}/{{id}}", EditAsync);
        routes.Delete($"{Name}/{{id}}", RemoveAsync);
        routes.Post($"{Name}/{{id}}/test", call => ActAsync(call, Permission.ManageHosts, TestAsync));
        routes.Post($"{Name}/{{id}}/confirm", call => ActAsync(call, Permission.ManageClusters, (c, id, body) => DecideAsync(c, id, body, decide.ConfirmAsync)));
        routes.Post($"{Name}/{{id}}/reject", call => ActAsync(call, Permission.ManageClusters, (c, id, body) => DecideAsync(c, id, body, decide.RejectAsync)));
    }

    private async Task<ApiAnswer> AddAsync(ApiCall call)
    {
        var (body, refused) = await ReadAsync(call);
        if (body is null)
        {
            return refused!;
        }

        if (await AttestersResource.ClusterAsync(clusters, body, call.Ct) is not { } cluster)
        {
            body.Refuse("host.cluster.required", "cluster.id", "The host names no cluster there is.", "Give cluster.id or cluster.name.");
        }
        else
        {
            var fields = new HostFields(body);
            var input = new AddHost.Input(body.Word("name") ?? "", cluster, fields.Connection(), fields.SignIn(), body.Word("address"));
            if (body.Wrong is null)
            {
                var added = await add.ExecuteAsync(call.Caller, input, call.Ct);
                return added.Succeeded && await DocumentAsync(call, added.Value) is { } document
                    ? ApiAnswer.Created(document, call.Href(Name, added.Value))
                    : ApiAnswer.Refused(added.Refusal ?? NotFound(call));
            }
        }

        return ApiAnswer.Refused(body.Wrong!);
    }

    private async Task<ApiAnswer> EditAsync(ApiCall call)
    {
        var (body, refused) = await ReadAsync(call);
        if (body is null)
        {
            return refused!;
        }

        if (call.Id is not { } id || await hosts.FindAsync(id, call.Ct) is not { } row)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var known = await connections.OfAsync(id, call.Ct);
        var fields = new HostFields(body);
        var input = new EditHost.Input(id, known.Version, body.Word("name") ?? row.Host.Name, fields.Connection(known.Words), fields.SignIn());
        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var changed = await edit.ExecuteAsync(call.Caller, input, call.Ct);
        return !changed.Succeeded ? ApiAnswer.Refused(changed.Refusal)
            : await DocumentAsync(call, id) is not { } after ? ApiAnswer.Refused(NotFound(call))
            : changed.Value.Effect is PolicyEffect.WaitsForSecondPerson ? new ApiAnswer(StatusCodes.Status202Accepted, after)
            : ApiAnswer.Ok(after);
    }

    private async Task<ApiAnswer> RemoveAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var removed = call.Id is { } id ? await remove.ExecuteAsync(call.Caller, id, call.Ct) : NotFound(call);
        return removed.Succeeded ? ActionDocument.Complete() : ApiAnswer.Refused(removed.Refusal);
    }

    private static async Task<ApiAnswer> ActAsync(ApiCall call, Permission permission, Func<ApiCall, Guid, FieldReader, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(permission, Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        return call.Id is { } id ? await act(call, id, new FieldReader(root ?? Element.Of(ActionDocument.Root))) : ActionDocument.Failed(NotFound(call));
    }

    private async Task<ApiAnswer> TestAsync(ApiCall call, Guid id, FieldReader body)
    {
        var asProposed = body.Flag("as_proposed") ?? false;
        if (body.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        var tested = await test.ExecuteAsync(call.Caller, id, asProposed, call.Ct);
        return tested.Succeeded ? ActionDocument.Complete(HostFields.Lines(tested.Value)) : ActionDocument.Failed(tested.Refusal);
    }

    /// <summary>The change is named, so that nobody confirms another than they read.</summary>
    private static async Task<ApiAnswer> DecideAsync(ApiCall call, Guid id, FieldReader body, Func<Caller, Guid, Guid, CancellationToken, Task<Outcome<HostChange>>> decide)
    {
        if (!Guid.TryParse(body.Word("change.id"), out var change))
        {
            body.Refuse("host.change.required", "change.id", "The action does not say which change is meant.", "Give change.id as the host's waiting_change has it.");
            return ActionDocument.Failed(body.Wrong!);
        }

        var decided = await decide(call.Caller, id, change, call.Ct);
        return decided.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(decided.Refusal);
    }

    private static async Task<(FieldReader? Body, ApiAnswer? Refused)> ReadAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return (null, ApiAnswer.Refused(denied));
        }

        var (root, refused) = await call.BodyAsync(Kind);
        return refused is null ? (new FieldReader(root ?? Element.Of(Kind)), null) : (null, refused);
    }

    private async Task<Element?> DocumentAsync(ApiCall call, Guid id) =>
        await hosts.FindAsync(id, call.Ct) is { } row ? HostsResource.Document(call, row, await connections.OfAsync(id, call.Ct)) : null;

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound(Kind, FieldReader.Short(call.RouteId));
}
