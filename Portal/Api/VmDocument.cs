using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary>A VM as clients know it.</summary>
internal static class VmDocument
{
    private static readonly string[] Actions = ["start", "stop", "shutdown", "suspend", "reboot", "migrate"];

    public static Element Of(ApiCall call, VirtualMachineRow row)
    {
        var vm = row.Vm;
        var href = call.Href(VmsResource.Name, vm.Id);
        return Element.Of("vm", [.. Parts(call, row, href), .. MachineFields.Document(vm.Pool, vm.Image, vm.Disk, vm.Network, vm.MachineType, vm.Firmware, vm.HasTpm)])
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", vm.Id.ToString())]);
    }

    private static IEnumerable<Element?> Parts(ApiCall call, VirtualMachineRow row, string href)
    {
        var vm = row.Vm;
        return
        [
            Element.List("actions", "link", Actions.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
            Element.Leaf("name", vm.Name),
            Element.Leaf("description", vm.Description),
            Element.Leaf("status", Word(vm.Status)),
            Element.Number("memory", vm.Memory),
            Element.Of("cpu", Topology(vm.Cpus)),
            Element.Of("display", Element.Leaf("type", "vnc"), Element.Number("monitors", 1)),
            Element.Of("placement_policy", Element.Leaf("affinity", "migratable")),
            Element.Of("high_availability", Element.Flag("enabled", vm.RestartsAutomatically), Element.Number("priority", vm.Priority)),
            Element.Leaf("trust_level", TrustWords.Of(vm.TrustLevel)),
            Element.List("custom_properties", "custom_property", [Property("trust_level", TrustWords.Of(vm.TrustLevel))]),
            vm.UntrustedSince is { } since ? Element.At("untrusted_since", since) : null,
            vm.UntrustedUntil is { } until ? Element.At("untrusted_until", until) : null,
            Element.At("creation_time", vm.CreatedAt),
            Element.Link("cluster", call.Href(ClustersResource.Name, vm.ClusterId), vm.ClusterId.ToString()),
            vm.HostId is { } host ? Element.Link("host", call.Href(HostsResource.Name, host), host.ToString()) : null,
            Element.Link("template", call.Href(TemplatesResource.Name, vm.TemplateId), vm.TemplateId.ToString()),
        ];
    }

    /// <summary>CPUs as a topology: as many sockets of one core with one thread.</summary>
    public static Element Topology(int cpus) => Element.Of(
        "topology",
        Element.Number("sockets", cpus),
        Element.Number("cores", 1),
        Element.Number("threads", 1));

    /// <summary>The words clients wait for. A VM that is not there yet, or not for long, is on its way up or down.</summary>
    internal static string Word(VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.Down => "down",
        VirtualMachineStatus.Starting or VirtualMachineStatus.Creating => "wait_for_launch",
        VirtualMachineStatus.Up => "up",
        VirtualMachineStatus.Paused => "paused",
        VirtualMachineStatus.PoweringDown or VirtualMachineStatus.Deleting => "powering_down",
        VirtualMachineStatus.Migrating => "migrating",
        VirtualMachineStatus.Unknown => "unknown",
    };

    private static Element Property(string name, string value) =>
        Element.Of("custom_property", Element.Leaf("name", name), Element.Leaf("value", value));
}
