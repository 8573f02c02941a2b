using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>What shim and GRUB measure: themselves, the machine owner's keys, every command and every file they read.</summary>
internal static class LoaderEvents
{
    private const string GrubFolder = "(hd0,gpt2)/grub2";

    public static IEnumerable<BootEvent> Of(HypervisorRecipe recipe) =>
    [
        FirmwareEvents.ShimAuthority(),
        FirmwareEvents.PartitionTable(),
        Application(
            $"shim {recipe.Shim}",
            BootEvent.Content("shim", recipe.Shim),
            UefiBytes.ImageLoad(0x6A1F_3018, 0xE_8AC8, UefiBytes.DiskFilePath(FirmwareEvents.EfiPartition, @"\EFI\redhat\shimx64.efi"))),
        .. MachineOwnerKeys(),
        BootEvent.OfData(7, TcgEventType.VariableAuthority, UefiBytes.Variable(UefiBytes.ShimLock, "SbatLevel", Encoding.ASCII.GetBytes("sbat,1,2024010900\nshim,4\ngrub,3\ngrub.debian,4\n")), "Secure Boot: SBAT level"),
        BootEvent.OfData(7, TcgEventType.VariableAuthority, UefiBytes.Variable(UefiBytes.ShimLock, "Shim", SecureBootKeys.VendorCertificate), "Secure Boot: vendor certificate of shim"),
        Application(
            $"GRUB {recipe.Grub}",
            BootEvent.Content("grub", recipe.Grub),
            UefiBytes.ImageLoad(0x69F0_B018, 0x2C_07C8, UefiBytes.ShimFilePath(@"\EFI\redhat\grubx64.efi"))),
        .. Configuration(recipe),
        .. Start(recipe),
    ];

    private static IEnumerable<BootEvent> MachineOwnerKeys() =>
        new[] { "MokList", "MokListX", "MokListTrusted" }.Select(name =>
            new BootEvent(14, TcgEventType.Ipl, BootEvent.Content("mok", name), Encoding.ASCII.GetBytes(name + "\0"), $"Machine owner keys: {name}"));

    private static IEnumerable<BootEvent> Configuration(HypervisorRecipe recipe) =>
    [
        File("(hd0,gpt1)/EFI/redhat/grub.cfg", "redirect", "EFI grub.cfg"),
        Command("search --no-floppy --label --set=dev boot"),
        Command($"set prefix={GrubFolder}"),
        Command("export prefix"),
        Command($"configfile {GrubFolder}/grub.cfg"),
        File($"{GrubFolder}/grub.cfg", recipe.System, "grub.cfg"),
        Command("set pager=1"),
        Command($"[ -f {GrubFolder}/grubenv ]"),
        Command($"load_env -f {GrubFolder}/grubenv"),
        File($"{GrubFolder}/grubenv", recipe.System, "grubenv"),
        Command("[  ]"),
        Command("set default=0"),
        Command("[ xy = xy ]"),
        Command("menuentry_id_option=--id"),
        Command("export menuentry_id_option"),
        Command("serial --speed=115200"),
        Command("terminal_input serial console"),
        Command("terminal_output serial console"),
        Command("set timeout_style=menu"),
        Command("set timeout=1"),
        Command("set tuned_params="),
        Command("set tuned_initrd="),
        Command($"[ -f {GrubFolder}/user.cfg ]"),
        Command("insmod increment"),
        Command("[ -n  -a  = 0 ]"),
        Command("insmod part_gpt"),
        Command("insmod xfs"),
        Command("search --no-floppy --label --set=root boot"),
        Command("insmod fat"),
        Command("search --no-floppy --label --set=boot boot"),
        Command("[ -z  ]"),
        Command($"set kernelopts={recipe.Arguments}"),
        Command("insmod blscfg"),
        Command("blscfg"),
        File($"(hd0,gpt2)/loader/entries/{recipe.System.Replace(' ', '-').ToLowerInvariant()}-{recipe.KernelRelease}.conf", recipe.Arguments, $"boot entry of kernel {recipe.Kernel}"),
        Command("[  = 1 -o  = 1 ]"),
        Command("set menu_hide_ok=0"),
        Command("[  = 1 ]"),
        Command("set boot_success=0"),
        Command("save_env boot_success boot_indeterminate"),
        Command("menuentry UEFI Firmware Settings --id uefi-firmware {\n\tfwsetup\n}"),
        Command($"[ -f {GrubFolder}/custom.cfg ]"),
    ];

    private static IEnumerable<BootEvent> Start(HypervisorRecipe recipe)
    {
        var kernel = $"(hd0,gpt2)/vmlinuz-{recipe.KernelRelease}";
        var initrd = $"(hd0,gpt2)/initramfs-{recipe.KernelRelease}.img";
        var line = $"{kernel} {recipe.Arguments}";
        return
        [
            Command("load_video"),
            Command("insmod all_video"),
            Command("set gfxpayload=keep"),
            Command("insmod gzio"),
            Command($"linux {line}"),
            File(kernel, recipe.Kernel, $"kernel {recipe.Kernel}"),
            Application($"kernel {recipe.Kernel}", BootEvent.Content("kernel", recipe.Kernel), UefiBytes.ImageLoad(0x5F2A_1000, 0xE8_4CA0, [])),
            new BootEvent(8, TcgEventType.Ipl, Encoding.UTF8.GetBytes(line), Encoding.UTF8.GetBytes($"kernel_cmdline: {line}\0"), $"Command line of kernel {recipe.Kernel}"),
            Command($"initrd {initrd}"),
            File(initrd, recipe.Kernel, $"initrd of kernel {recipe.Kernel}"),
        ];
    }

    private static BootEvent Application(string label, byte[] content, byte[] data) =>
        new(4, TcgEventType.BootServicesApplication, content, data, label);

    /// <summary>GRUB's digest is over the command alone; the prefix and the NUL are only in the log.</summary>
    private static BootEvent Command(string text) =>
        new(8, TcgEventType.Ipl, Encoding.UTF8.GetBytes(text), Encoding.UTF8.GetBytes($"grub_cmd: {text}\0"), Shortened(text));

    private static BootEvent File(string path, string version, string label) =>
        new(9, TcgEventType.Ipl, BootEvent.Content("file", path, version), Encoding.UTF8.GetBytes(path + "\0"), label);

    private static string Shortened(string text)
    {
        var line = string.Join(' ', text.Split((char[])['\n', '\t', ' '], StringSplitOptions.RemoveEmptyEntries));
        return line.Length <= 60 ? $"GRUB: {line}" : $"GRUB: {line.AsSpan(0, 59)}…";
    }
}
