namespace Portal.Core.Simulation.Boot;

/// <summary>The firmware side of a boot: what ends up in PCR 0 to 3, 6 and 7.</summary>
/// <param name="Model">A product name of <see cref="Platform.Catalogue"/>.</param>
/// <param name="Version">Firmware version.</param>
/// <param name="Revocations">How many signatures dbx revokes.</param>
public sealed record FirmwareRecipe(string Model, string Version, int Revocations = 64)
{
    /// <summary>For example <c>PowerEdge R760 firmware 2.19.1</c>.</summary>
    public string Name => $"{Model} firmware {Version}";

    /// <summary>Vendor, model and version.</summary>
    public string Description => $"{Platform.Of(Model).Vendor} {Name}, option ROMs and Secure Boot keys included";
}

/// <summary>The software side of a boot: what ends up in PCR 4, 5, 8, 9 and 14.</summary>
/// <param name="System">Operating system, for example <c>RHEL 9.6</c>.</param>
/// <param name="Shim">Version of shim.</param>
/// <param name="Grub">Version of GRUB.</param>
/// <param name="Kernel">Kernel release without architecture.</param>
/// <param name="Arguments">Arguments of the kernel.</param>
public sealed record HypervisorRecipe(string System, string Shim, string Grub, string Kernel, string Arguments = HypervisorRecipe.UsualArguments)
{
    /// <summary>The arguments every host of the fleet boots with; nothing in them differs from host to host.</summary>
    public const string UsualArguments = "root=/dev/mapper/rhel-root ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M rd.lvm.lv=rhel/root intel_iommu=on iommu=pt ima_policy=tcb";

    /// <summary>For example <c>RHEL 9.6 hypervisor 5.14.0-570.12.1</c>.</summary>
    public string Name => $"{System} hypervisor {Kernel}";

    /// <summary>For example <c>RHEL 9.6 hypervisor: shim 15.8, GRUB 2.06-61, kernel 5.14.0-570.12.1</c>.</summary>
    public string Description => $"{System} hypervisor: shim {Shim}, GRUB {Grub}, kernel {Kernel}";

    /// <summary>Kernel release as <c>uname -r</c> says it.</summary>
    public string KernelRelease => $"{Kernel}.el9.x86_64";
}

/// <summary>Everything that decides what a simulated host measures while it boots. Equal recipes give equal logs.</summary>
/// <param name="Firmware">The firmware side.</param>
/// <param name="Hypervisor">The software side.</param>
public sealed record BootRecipe(FirmwareRecipe Firmware, HypervisorRecipe Hypervisor);
