using Portal.Core.Access;

namespace Portal.Components.Settings;

/// <summary>Permissions and roles in words.</summary>
internal static class PermissionWords
{
    public static string Words(this Permission permission) => permission switch
    {
        Permission.Read => "See hosts, VMs, clusters, baselines and activity",
        Permission.OperateVirtualMachines => "Create and run virtual machines",
        Permission.ManageHosts => "Attest, enrol and set hosts aside",
        Permission.ManageClusters => "Change clusters and their trust policy",
        Permission.WriteBaselines => "Write baselines and submit them",
        Permission.ApproveBaselines => "Approve, send back and retire baselines of others",
        Permission.Simulate => "Change simulated hosts",
    };

    public static string Words(this Role role) => role switch
    {
        Role.Administrator => "Runs hosts, clusters and VMs",
        Role.Operator => "Creates and runs VMs",
        Role.Security => "Writes and approves baselines, confirms looser policy",
        Role.Auditor => "Reads everything, changes nothing",
    };
}
