using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary><c>vms</c>: list, get, create, edit and delete. Calls wait for the operation they begin.</summary>
/// <param name="vms">Reads VMs.</param>
/// <param name="create">Creates VMs.</param>
/// <param name="change">Changes VMs.</param>
/// <param name="clusters">Reads clusters and templates.</param>
/// <param name="templates">Reads what a VM's fields begin with.</param>
/// <param name="operation">Waits.</param>
internal sealed class VmsResource(
    VirtualMachineDirectory vms,
    CreateVirtualMachine create,
    ChangeVirtualMachine change,
    ClusterDirectory clusters,
    TemplateDirectory templates,
    VmOperation operation) : IApiResource
{
    public const string Name = "vms";

    private const string Kind = "vm";

    private const string DetachOnly = "detach_only";

    private static readonly string[] Sortable = ["name", "status", "cluster", "host", "trust_level", "memory", "cpus", "created"];

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Post(Name, CreateAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Put($"{Name}/{{id}}", EditAsync);
        routes.Delete($"{Name}/{{id}}", DeleteAsync);
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, Sortable);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var (terms, sort, down) = (search.Value.Terms, search.Value.SortBy ?? "name", search.Value.Descending);
        var found = await search.Value.GatherAsync(
            (skip, take) => vms.ListAsync(new VirtualMachineQuery { Search = terms, SortBy = sort, Descending = down, Skip = skip, Take = take }, call.Ct),
            row => row.Vm.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => VmDocument.Of(call, row))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        await FindAsync(call) is { } row ? ApiAnswer.Ok(VmDocument.Of(call, row)) : Nowhere(call);

    private async Task<ApiAnswer> CreateAsync(ApiCall call)
    {
        var (fields, refused) = await ReadAsync(call);
        if (fields is null)
        {
            return refused!;
        }

        var wanted = await WantedAsync(fields, call.Ct);
        if (!wanted.Succeeded)
        {
            return ApiAnswer.Refused(wanted.Refusal);
        }

        var begun = await create.ExecuteAsync(call.Caller, wanted.Value, call.Ct);
        if (!begun.Succeeded)
        {
            return ApiAnswer.Refused(begun.Refusal);
        }

        var end = await operation.WaitAsync(begun.Value, call.Ct);
        if (end.Refusal is { } why)
        {
            return new ApiAnswer(Faults.StatusOf(why), Faults.Of(why, end.Decision));
        }

        var id = end.Operation.TargetId;
        return await vms.FindAsync(id, call.Ct) is { } row
            ? ApiAnswer.Created(VmDocument.Of(call, row), call.Href(Name, id)) with { Status = end.IsGoing ? StatusCodes.Status202Accepted : StatusCodes.Status201Created }
            : ApiAnswer.Refused(Refusal.NotFound(Kind, id.ToString()));
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
            return Nowhere(call);
        }

        var (vm, machine) = (row.Vm, fields.Machine);
        var (machineType, firmware) = machine.MachineOver(vm.MachineType, vm.Firmware);
        if (await StaysAsync(fields, row.Vm, call.Ct) is { } moves)
        {
            return ApiAnswer.Refused(moves);
        }

        var edit = new VirtualMachineEdit
        {
            Name = fields.Name,
            Description = fields.Description,
            Cpus = machine.CpusOver(vm.Cpus),
            Memory = machine.Memory,
            Network = machine.Network,
            MachineType = machineType,
            Firmware = firmware,
            HasTpm = machine.HasTpm,
            Priority = fields.Priority,
            RestartsAutomatically = fields.RestartsAutomatically,
            TrustLevel = fields.TrustLevel,
        };
        var begun = await change.EditAsync(call.Caller, row.Vm.Id, edit, call.Ct);
        if (!begun.Succeeded)
        {
            return ApiAnswer.Refused(begun.Refusal);
        }

        var end = await operation.WaitAsync(begun.Value, call.Ct);
        if (end.Refusal is { } why)
        {
            return ApiAnswer.Refused(why);
        }

        return await FindAsync(call) is { } after
            ? new ApiAnswer(end.IsGoing ? StatusCodes.Status202Accepted : StatusCodes.Status200OK, VmDocument.Of(call, after))
            : Nowhere(call);
    }

    private async Task<ApiAnswer> DeleteAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.OperateVirtualMachines, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (call.Id is not { } id)
        {
            return Nowhere(call);
        }

        var (keepsDisks, refused) = await KeepsDisksAsync(call);
        if (refused is not null)
        {
            return refused;
        }

        var begun = await change.DeleteAsync(call.Caller, id, withDisks: !keepsDisks, call.Ct);
        if (!begun.Succeeded)
        {
            return ApiAnswer.Refused(begun.Refusal);
        }

        // Always 200, even while it is going on: clients take any other for a failure.
        var end = await operation.WaitAsync(begun.Value, call.Ct);
        return end.Refusal is { } why ? ApiAnswer.Refused(why) : new ApiAnswer(StatusCodes.Status200OK);
    }

    /// <summary>oVirt's <c>detach_only</c>: a parameter, or an element of an <c>action</c>. What cannot be read is refused: it may have asked to keep the disks.</summary>
    private static async Task<(bool Keeps, ApiAnswer? Refused)> KeepsDisksAsync(ApiCall call)
    {
        var (root, refused) = call.Parameter(DetachOnly) is { } written
            ? (Element.Of(ActionDocument.Root, Element.Leaf(DetachOnly, written)), null)
            : await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return (false, refused);
        }

        var fields = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        var keeps = fields.Flag(DetachOnly) ?? false;
        return (keeps, fields.Wrong is { } wrong ? ApiAnswer.Refused(wrong) : null);
    }

    /// <summary>The fields of the body; who may not is refused before it is looked at.</summary>
    private static async Task<(VmFields? Fields, ApiAnswer? Refused)> ReadAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.OperateVirtualMachines, Kind) is { } denied)
        {
            return (null, ApiAnswer.Refused(denied));
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return (null, refused);
        }

        var fields = VmFields.Read(root ?? Element.Of(Kind));
        return fields.Succeeded ? (fields.Value, null) : (null, ApiAnswer.Refused(fields.Refusal));
    }

    private async Task<Outcome<NewVirtualMachine>> WantedAsync(VmFields fields, CancellationToken ct)
    {
        if (fields.Name is not { } name)
        {
            return Refusal.Invalid("vm.name.required", "name", "Vm [name] required for add.", "Give the new virtual machine a name.");
        }

        if (fields.Cluster is null)
        {
            return Refusal.Invalid("vm.cluster.required", "cluster.id", "Vm [cluster.id|cluster.name] required for add.", "Say in which cluster it is to live.");
        }

        var cluster = await ClusterAsync(fields.Cluster, ct);
        if (!cluster.Succeeded)
        {
            return cluster.Refusal;
        }

        var template = fields.Template is null ? Template.Blank : await TemplateAsync(fields.Template, ct);
        if (!template.Succeeded)
        {
            return template.Refusal;
        }

        var machine = fields.Machine;
        var from = await templates.FindAsync(template.Value, ct);
        var (machineType, firmware) = machine.MachineOver(from?.MachineType ?? "", from?.Firmware ?? GuestFirmware.Bios);

        return new NewVirtualMachine
        {
            Name = name,
            Description = fields.Description ?? "",
            ClusterId = cluster.Value,
            TemplateId = template.Value,
            Cpus = machine.CpusOver(1),
            Memory = machine.Memory,
            Disk = machine.Disk,
            Network = machine.Network,
            Pool = machine.Pool,
            Image = machine.Image,
            MachineType = machineType,
            Firmware = firmware,
            HasTpm = machine.HasTpm,
            Priority = fields.Priority ?? VirtualMachineLimits.DefaultPriority,
            RestartsAutomatically = fields.RestartsAutomatically ?? false,
            TrustLevel = fields.TrustLevel ?? TrustLevel.Any,
        };
    }

    /// <summary>What a VM lives in and came from cannot be edited; a document that was read and sent back says what it is already.</summary>
    private async Task<Refusal?> StaysAsync(VmFields fields, VirtualMachine vm, CancellationToken ct)
    {
        var cluster = fields.Cluster is null ? vm.ClusterId : await ClusterAsync(fields.Cluster, ct);
        var template = fields.Template is null ? vm.TemplateId : await TemplateAsync(fields.Template, ct);
        return (cluster.Refusal ?? template.Refusal) switch
        {
            { } unknown => unknown,
            null when cluster.Value != vm.ClusterId => Refusal.Invalid("vm.cluster.fixed", "cluster.id", "A virtual machine stays in its cluster.", "Create it anew in the other cluster."),
            null when (fields.Machine.Pool ?? vm.Pool) != vm.Pool || (fields.Machine.Image ?? vm.Image) != vm.Image =>
                Refusal.Invalid("vm.storage.fixed", "storage", "A virtual machine's disk stays where it was made, of what it was made of.", "Leave the storage out."),
            null when (fields.Machine.Disk ?? vm.Disk) != vm.Disk => Refusal.Invalid("vm.disk.fixed", "disk", "A disk keeps the size it was made with.", "Leave the disk out."),
            null when template.Value != vm.TemplateId => Refusal.Invalid("vm.template.fixed", "template.id", "A virtual machine keeps the template it came from.", "Leave the template out."),
            null => null,
        };
    }

    private async Task<Outcome<Guid>> ClusterAsync(Reference reference, CancellationToken ct) =>
        reference.Among("cluster", (await clusters.ListAsync(ct)).Select(c => (c.Cluster.Id, c.Cluster.Name)));

    private async Task<Outcome<Guid>> TemplateAsync(Reference reference, CancellationToken ct) =>
        reference.Among("template", (await clusters.TemplatesAsync(ct)).Select(t => (t.Id, t.Name)));

    private async Task<VirtualMachineRow?> FindAsync(ApiCall call) => call.Id is { } id ? await vms.FindAsync(id, call.Ct) : null;

    private static ApiAnswer Nowhere(ApiCall call) => ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
}
