using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary>The actions of <c>vms</c>: start (a paused one runs on), stop, shutdown, suspend, reboot and migrate. With <c>async</c> they answer at once.</summary>
/// <param name="change">Changes VMs.</param>
/// <param name="hosts">Finds the host of a migration.</param>
/// <param name="operation">Waits.</param>
internal sealed class VmActionsResource(ChangeVirtualMachine change, HostDirectory hosts, VmOperation operation) : IApiResource
{
    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        On(routes, "start", (call, id, _) => change.StartAsync(call.Caller, id, call.Ct));
        On(routes, "stop", (call, id, _) => change.StopAsync(call.Caller, id, call.Ct));
        On(routes, "shutdown", (call, id, _) => change.ShutdownAsync(call.Caller, id, call.Ct));
        On(routes, "suspend", (call, id, _) => change.SuspendAsync(call.Caller, id, call.Ct));
        On(routes, "reboot", (call, id, _) => change.RebootAsync(call.Caller, id, call.Ct));
        On(routes, "migrate", MigrateAsync);
    }

    private void On(ApiRoutes routes, string action, Func<ApiCall, Guid, FieldReader, Task<Outcome<Guid>>> begin) =>
        routes.Post($"{VmsResource.Name}/{{id}}/{action}", call => ActAsync(call, begin));

    private async Task<ApiAnswer> ActAsync(ApiCall call, Func<ApiCall, Guid, FieldReader, Task<Outcome<Guid>>> begin)
    {
        if (await call.DemandAsync(Permission.OperateVirtualMachines, "vm") is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        var fields = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        var isAsync = fields.Flag("async") ?? false;
        if (fields.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        var begun = call.Id is { } id ? await begin(call, id, fields) : Refusal.NotFound("vm", FieldReader.Short(call.RouteId));
        if (!begun.Succeeded)
        {
            return ActionDocument.Failed(begun.Refusal);
        }

        if (isAsync)
        {
            return ActionDocument.Pending();
        }

        var end = await operation.WaitAsync(begun.Value, call.Ct);
        return end switch
        {
            { Refusal: { } why } => ActionDocument.Failed(why, end.Decision),
            { IsGoing: true } => ActionDocument.Pending(),
            _ => ActionDocument.Complete(),
        };
    }

    private async Task<Outcome<Guid>> MigrateAsync(ApiCall call, Guid id, FieldReader fields)
    {
        var target = await TargetAsync(fields, call.Ct);
        return target.Succeeded ? await change.MigrateAsync(call.Caller, id, target.Value, call.Ct) : target.Refusal;
    }

    private async Task<Outcome<Guid?>> TargetAsync(FieldReader fields, CancellationToken ct)
    {
        var reference = Reference.Read(fields, "host");
        if (fields.Wrong is { } wrong)
        {
            return wrong;
        }

        if (reference is null)
        {
            return (Guid?)null;
        }

        var row = reference.Id is null
            ? await hosts.FindByNameAsync(reference.Name!, ct)
            : Guid.TryParse(reference.Id, out var id) ? await hosts.FindAsync(id, ct) : null;
        var found = reference.Among("host", row is null ? [] : [(row.Host.Id, row.Host.Name)]);
        return found.Succeeded ? found.Value : found.Refusal;
    }
}
