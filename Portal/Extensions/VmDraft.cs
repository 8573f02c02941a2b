using Portal.Core.Inventory;

namespace Portal.Extensions;

/// <summary>A VM as somebody is typing it: what the fields of the dialog read and write.</summary>
public sealed class VmDraft
{
    public string Name { get; set; } = "";

    public string Description { get; set; } = "";

    public Guid? ClusterId { get; set; }

    public Guid TemplateId { get; set; } = Template.Blank;

    /// <summary>Virtual CPUs; null takes the template's.</summary>
    public int? Cpus { get; set; }

    /// <summary>Bytes; null takes the template's.</summary>
    public long? Memory { get; set; }

    /// <summary>Bytes; null takes the template's.</summary>
    public long? Disk { get; set; }

    /// <summary>Network, empty for none; null takes the template's.</summary>
    public string? Network { get; set; }

    /// <summary>Storage pool, empty for no disk; null takes the template's.</summary>
    public string? Pool { get; set; }

    /// <summary>Image, empty for an empty disk; null takes the template's.</summary>
    public string? Image { get; set; }

    /// <summary>Machine type, empty for the hypervisor's default; null takes the template's.</summary>
    public string? MachineType { get; set; }

    /// <summary>Firmware; null takes the template's.</summary>
    public GuestFirmware? Firmware { get; set; }

    /// <summary>Whether the guest has a TPM; null takes the template's.</summary>
    public bool? HasTpm { get; set; }

    /// <summary>0 to 100.</summary>
    public int Priority { get; set; } = Core.Virtualization.VirtualMachineLimits.DefaultPriority;

    public bool RestartsAutomatically { get; set; }

    public TrustLevel TrustLevel { get; set; }

    /// <summary>The refusal to show beside its field, if the last try was refused.</summary>
    public Core.Refusal? Refusal { get; set; }

    /// <summary>The refusal's words for a field, or null.</summary>
    public string? ErrorOf(string field) =>
        Refusal is { Field: { } named } && string.Equals(named, field, StringComparison.Ordinal) ? Words(Refusal) : null;

    // At the field itself "correct the field" says nothing new.
    private static string Words(Core.Refusal refusal) => refusal.Code == "vm.invalid" ? refusal.Sentence : refusal.ToString();
}
