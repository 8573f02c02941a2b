using Portal.Core.Inventory;

namespace Portal.Extensions;

/// <summary>A VM as somebody is typing it: what the fields of the dialog read and write.</summary>
public sealed class VmDraft
{
    public string Name { get; set; } = "";

    public string Description { get; set; } = "";

    public Guid? ClusterId { get; set; }

    public Guid TemplateId { get; set; } = Template.Blank;

    public int Cpus { get; set; } = 1;

    /// <summary>Bytes.</summary>
    public long Memory { get; set; } = 1L << 30;

    /// <summary>Bytes.</summary>
    public long Disk { get; set; } = 10L << 30;

    public string Network { get; set; } = "default";

    public TrustLevel TrustLevel { get; set; }

    /// <summary>The refusal to show beside its field, if the last try was refused.</summary>
    public Core.Refusal? Refusal { get; set; }

    /// <summary>The refusal's words for a field, or null.</summary>
    public string? ErrorOf(string field) =>
        Refusal is { Field: { } named } && string.Equals(named, field, StringComparison.Ordinal) ? Refusal.ToString() : null;
}
