using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Connecting;

namespace Portal.Api;

/// <summary><c>hosts/{id}/unmanagedvms</c>: machines on a host that are not the portal's; action adopt. With <c>async</c> it answers at once.</summary>
/// <param name="hosts">Reads hosts.</param>
/// <param name="connections">Reads what was found on them.</param>
/// <param name="adopt">Adopts.</param>
/// <param name="machines">Reads VMs.</param>
/// <param name="operation">Waits.</param>
internal sealed class UnmanagedVmsResource(HostDirectory hosts, HostConnections connections, AdoptMachine adopt, VirtualMachineDirectory machines, VmOperation operation) : IApiResource
{
    private const string Kind = "unmanaged_vm";

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Get($"{HostsResource.Name}/{{id}}/unmanagedvms", ListAsync);
        routes.Get($"{HostsResource.Name}/{{id}}/unmanagedvms/{{vmid}}", GetAsync);
        routes.Post($"{HostsResource.Name}/{{id}}/unmanagedvms/{{vmid}}/adopt", AdoptAsync);
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        if (call.Id is not { } id || await hosts.FindAsync(id, call.Ct) is null)
        {
            return ApiAnswer.Refused(Refusal.NotFound("host", FieldReader.Short(call.RouteId)));
        }

        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow(await connections.FoundOnAsync(id, call.Ct), m => m.Name);
        return found.Succeeded ? ApiAnswer.Ok(Element.List("unmanaged_vms", Kind, found.Value.Select(m => Document(call, m)))) : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && MachineId(call) is { } machine && (await connections.FoundOnAsync(id, call.Ct)).FirstOrDefault(m => m.Id == machine) is { } found
            ? ApiAnswer.Ok(Document(call, found))
            : ApiAnswer.Refused(NotFound(call));

    private async Task<ApiAnswer> AdoptAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.OperateVirtualMachines, Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        var body = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        var (level, isAsync) = (Level(body), body.Flag("async") ?? false);
        if (body.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        var begun = call.Id is { } host && MachineId(call) is { } machine ? await adopt.ExecuteAsync(call.Caller, host, machine, level, call.Ct) : NotFound(call);
        if (!begun.Succeeded)
        {
            return ActionDocument.Failed(begun.Refusal);
        }

        var job = Element.Link("job", call.Href(JobsResource.Name, begun.Value), begun.Value.ToString());
        if (isAsync)
        {
            return ActionDocument.Pending(job);
        }

        var end = await operation.WaitAsync(begun.Value, call.Ct);
        return end.Refusal is { } why ? ActionDocument.Failed(why, end.Decision)
            : end.IsGoing ? ActionDocument.Pending(job)
            : ActionDocument.Complete(await machines.FindAsync(end.Operation.TargetId, call.Ct) is { } row ? VmDocument.Of(call, row) : null);
    }

    private static TrustLevel Level(FieldReader body)
    {
        switch (body.Word("trust_level"))
        {
            case null or "any":
                return TrustLevel.Any;
            case "trusted":
                return TrustLevel.Trusted;
            case var other:
                body.Refuse("vm.trust_level", "trust_level", $"'{FieldReader.Short(other)}' is no trust level.", "Give any or trusted.");
                return TrustLevel.Any;
        }
    }

    private static Guid? MachineId(ApiCall call) => Guid.TryParse(call.Request.RouteValues["vmid"] as string, out var id) ? id : null;

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound("machine", FieldReader.Short(call.Request.RouteValues["vmid"] as string ?? ""));

    private static Element Document(ApiCall call, ForeignMachine machine)
    {
        var href = call.Href(HostsResource.Name, machine.HostId, "unmanagedvms", machine.Id);
        return Element.Of(
            Kind,
            Element.List("actions", "link", [Element.Link("link", $"{href}/adopt", rel: "adopt")]),
            Element.Leaf("name", machine.Name),
            Element.Leaf("status", VmDocument.Word(machine.Status)),
            Element.Number("memory", machine.Memory),
            Element.Of("cpu", VmDocument.Topology(machine.Cpus)),
            Element.Flag("has_metadata", machine.HasMetadata),
            machine.HasMetadata ? Element.Leaf("claimed_trust_level", TrustWords.Of(machine.TrustLevel)) : null,
            Element.At("first_seen", machine.FirstSeenAt),
            Element.Link("host", call.Href(HostsResource.Name, machine.HostId), machine.HostId.ToString()))
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", machine.Id.ToString())]);
    }
}
