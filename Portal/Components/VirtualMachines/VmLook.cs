using Portal.Components.Shared;
using Portal.Core.Inventory;

namespace Portal.Components.VirtualMachines;

/// <summary>Words, tones and addresses of virtual machines.</summary>
internal static class VmLook
{
    public static string Word(this VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.Down => "Down",
        VirtualMachineStatus.Starting => "Starting",
        VirtualMachineStatus.Up => "Up",
        VirtualMachineStatus.PoweringDown => "Shutting down",
        VirtualMachineStatus.Migrating => "Migrating",
        VirtualMachineStatus.Creating => "Being created",
        VirtualMachineStatus.Deleting => "Being deleted",
        VirtualMachineStatus.Unknown => "Unknown",
        VirtualMachineStatus.Paused => "Paused",
    };

    public static Tone Tone(this VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.Up => Shared.Tone.Ok,
        VirtualMachineStatus.Down => Shared.Tone.Neutral,
        VirtualMachineStatus.Unknown => Shared.Tone.Unknown,
        VirtualMachineStatus.Paused => Shared.Tone.Old,
        _ => Shared.Tone.Info,
    };

    /// <summary>The status as one searches for it.</summary>
    public static string Term(this VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.PoweringDown => "powering_down",
        _ => status.ToString().ToLowerInvariant(),
    };

    public static string Word(this TrustLevel level) => level switch
    {
        TrustLevel.Any => "Any host",
        TrustLevel.Trusted => "Trusted host",
    };

    /// <summary>Within a sentence: "… and a trusted host".</summary>
    public static string Asked(this TrustLevel level) => level switch
    {
        TrustLevel.Any => "any host",
        TrustLevel.Trusted => "a trusted host",
    };

    public static string Href(string name, string? tab = null) => tab is null or "general" ? $"/vms/{Uri.EscapeDataString(name)}" : $"/vms/{Uri.EscapeDataString(name)}/{tab}";

    public static string ClusterHref(string name) => $"/clusters/{Uri.EscapeDataString(name)}";

    /// <summary>The list, searched.</summary>
    public static string ListHref(string search) => $"/vms?q={Uri.EscapeDataString(search)}";

    public static string Count(int count, string one, string many) => count == 1 ? $"1 {one}" : $"{count:N0} {many}";

    public static string Vms(int count) => Count(count, "virtual machine", "virtual machines");

    public static string Hosts(int count) => Count(count, "host", "hosts");
}
