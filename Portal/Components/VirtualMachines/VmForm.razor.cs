using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.VirtualMachines;

/// <summary>The fields of a VM. It knows its own; the rest is contributed and stands between them by its order.</summary>
public sealed partial class VmForm(IEnumerable<VmDialogField> fields)
{
    private static readonly Dictionary<string, string> Inputs = new(StringComparer.Ordinal)
    {
        ["name"] = "vm-name",
        ["description"] = "vm-description",
        ["cluster.id"] = "vm-cluster",
        ["template.id"] = "vm-template",
        ["cpu.topology"] = "vm-cpus",
        ["memory"] = "vm-memory",
        ["disk"] = "vm-disk",
        ["network"] = "vm-network",
        ["storage.pool"] = "vm-pool",
        ["storage.image"] = "vm-image",
        ["custom_emulated_machine"] = "vm-machine",
        ["bios.type"] = "vm-firmware",
        ["high_availability.priority"] = "vm-priority",
    };

    private static readonly string[] Fixed = ["cluster.id", "template.id", "disk", "storage.pool", "storage.image"];

    private static readonly string[] Rare = ["network", "storage.pool", "storage.image", "custom_emulated_machine", "bios.type", "high_availability.priority"];

    private readonly VmDialogField[] fields = [.. fields];

    [Parameter, EditorRequired]
    public required VmDraft Draft { get; set; }

    [Parameter]
    public IReadOnlyList<ClusterRow> Clusters { get; set; } = [];

    [Parameter]
    public IReadOnlyList<Template> Templates { get; set; } = [];

    /// <summary>What storage hosts described.</summary>
    [Parameter]
    public StorageOffers? Offers { get; set; }

    /// <summary>Told after every change, contributed fields included.</summary>
    [Parameter]
    public EventCallback Changed { get; set; }

    /// <summary>For a VM that exists: its cluster, template and disk stay.</summary>
    [Parameter]
    public bool Existing { get; set; }

    /// <summary>Why name, size and hardware cannot be changed now; null when they can.</summary>
    [Parameter]
    public string? Locked { get; set; }

    /// <summary>The id of the input for a field a refusal names, or null.</summary>
    public static string? InputOf(string? field) => field is null ? null : Inputs.GetValueOrDefault(field);

    private Template Template => Templates.FirstOrDefault(t => t.Id == Draft.TemplateId) ?? Templates.FirstOrDefault() ?? new Template { Name = "" };

    private IEnumerable<(int Order, RenderFragment Render)> Parts =>
    [
        (100, NameField),
        (150, DescriptionField),
        .. Existing ? Array.Empty<(int, RenderFragment)>() : [(200, WhereField), (600, StoreField)],
        (400, SizeField),
        (800, AdvancedFields),
        .. fields.Select(f => (f.Order, Contributed(f))),
    ];

    private bool IsShownAtField(Refusal refusal) =>
        refusal.Field is { } field && ((Inputs.ContainsKey(field) && !(Existing && Fixed.Contains(field))) || Array.Exists(fields, f => f.Id == field));

    /// <summary>What few change stays folded away, unless something in it is wrong.</summary>
    private bool ShowsAdvanced => Draft.Refusal?.Field is { } wrong && Rare.Contains(wrong);

    private string? SizeHint(bool isDefault) => Locked ?? (isDefault && !Existing ? $"As in {Template.Name}" : null);

    private string? Invalid(string field) => Draft.ErrorOf(field) is null ? null : "true";

    private Task Set(Action change)
    {
        change();
        Draft.Refusal = null;
        return Changed.InvokeAsync();
    }

    private static Guid? Id(ChangeEventArgs e) => Guid.TryParse(e.Value as string, out var id) ? id : null;
}
