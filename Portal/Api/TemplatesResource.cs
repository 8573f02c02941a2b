using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary><c>templates</c>: list, get, create, edit and delete. A template is made of an image in a storage pool; what to know of its storage comes as <c>warnings</c>.</summary>
/// <param name="templates">Reads templates.</param>
/// <param name="create">Makes them.</param>
/// <param name="edit">Changes them.</param>
/// <param name="delete">Deletes them.</param>
internal sealed class TemplatesResource(TemplateDirectory templates, CreateTemplate create, EditTemplate edit, DeleteTemplate delete) : IApiResource
{
    public const string Name = "templates";

    private const string Kind = "template";

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
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow([.. (await templates.ListAsync(call.Ct)).Select(r => r.Template)], template => template.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(template => Document(call, template, []))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await templates.FindAsync(id, call.Ct) is { } template ? ApiAnswer.Ok(Document(call, template, [])) : Nowhere(call);

    private async Task<ApiAnswer> CreateAsync(ApiCall call)
    {
        var read = await ReadAsync(call, new Template { Name = "" });
        if (read.Words is null)
        {
            return read.Refused!;
        }

        var made = await create.ExecuteAsync(call.Caller, read.Words, call.Ct);
        return made.Succeeded && await templates.FindAsync(made.Value.Id, call.Ct) is { } template
            ? ApiAnswer.Created(Document(call, template, made.Value.Warnings), call.Href(Name, template.Id))
            : ApiAnswer.Refused(made.Refusal ?? Refusal.NotFound(Kind, read.Words.Name));
    }

    private async Task<ApiAnswer> EditAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (call.Id is not { } id || await templates.FindAsync(id, call.Ct) is not { } before)
        {
            return Nowhere(call);
        }

        var read = await ReadAsync(call, before);
        if (read.Words is null)
        {
            return read.Refused!;
        }

        var changed = await edit.ExecuteAsync(call.Caller, id, read.Words, call.Ct);
        return changed.Succeeded && await templates.FindAsync(id, call.Ct) is { } after
            ? ApiAnswer.Ok(Document(call, after, changed.Value.Warnings))
            : ApiAnswer.Refused(changed.Refusal ?? Refusal.NotFound(Kind, id.ToString()));
    }

    private async Task<ApiAnswer> DeleteAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (call.Id is not { } id)
        {
            return Nowhere(call);
        }

        var deleted = await delete.ExecuteAsync(call.Caller, id, call.Ct);
        return deleted.Succeeded ? new ApiAnswer(StatusCodes.Status200OK) : ApiAnswer.Refused(deleted.Refusal);
    }

    /// <summary>What the body makes of a template; who may not is refused before it is looked at.</summary>
    private static async Task<(TemplateWords? Words, ApiAnswer? Refused)> ReadAsync(ApiCall call, Template before)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return (null, ApiAnswer.Refused(denied));
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return (null, refused);
        }

        var fields = new FieldReader(root ?? Element.Of(Kind));
        if (fields.Has("vm"))
        {
            fields.Refuse("template.vm", "vm", "A template is made of an image in a storage pool, not of a virtual machine.", "Leave 'vm' out and name storage.pool and storage.image.");
        }

        var (name, description, machine) = (fields.Word("name"), fields.Text("description"), MachineFields.Read(fields));
        if (fields.Wrong is { } wrong)
        {
            return (null, ApiAnswer.Refused(wrong));
        }

        var (machineType, firmware) = machine.MachineOver(before.MachineType, before.Firmware);
        return (new TemplateWords(
            name ?? before.Name,
            description ?? before.Description,
            machine.CpusOver(before.Cpus) ?? before.Cpus,
            machine.Memory ?? before.Memory,
            machine.Disk ?? before.Disk,
            machine.Pool ?? before.Pool,
            machine.Image ?? before.Image,
            machineType ?? before.MachineType,
            firmware ?? before.Firmware,
            machine.HasTpm ?? before.HasTpm,
            machine.Network ?? before.Network), null);
    }

    private static Element Document(ApiCall call, Template template, IReadOnlyList<string> warnings) => Element.Of(
        Kind,
        [
            Element.Leaf("name", template.Name),
            Element.Leaf("description", template.Description),
            Element.Leaf("status", "ok"),
            Element.Number("memory", template.Memory),
            Element.Of("cpu", VmDocument.Topology(template.Cpus)),
            .. MachineFields.Document(template.Pool, template.Image, template.Disk, template.Network, template.MachineType, template.Firmware, template.HasTpm),
            warnings.Count == 0 ? null : Element.List("warnings", "warning", warnings.Select(w => Element.Leaf("warning", w))),
        ])
        .With([KeyValuePair.Create("href", call.Href(Name, template.Id)), KeyValuePair.Create("id", template.Id.ToString())]);

    private static ApiAnswer Nowhere(ApiCall call) => ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
}
