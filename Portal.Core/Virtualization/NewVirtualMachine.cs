using FluentValidation;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization;

/// <summary>A VM somebody wants. What is null comes from the template.</summary>
public sealed record NewVirtualMachine
{
    /// <summary>Unique name: 1 to 64 letters, digits, <c>.</c>, <c>_</c> or <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for.</summary>
    public string Description { get; init; } = "";

    /// <summary>Where it lives.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>What it starts from.</summary>
    public Guid TemplateId { get; init; } = Template.Blank;

    /// <summary>Virtual CPUs.</summary>
    public int? Cpus { get; init; }

    /// <summary>Memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Disk, in bytes.</summary>
    public long? Disk { get; init; }

    /// <summary>Network name; empty for none.</summary>
    public string? Network { get; init; }

    /// <summary>The storage pool its disk is made in; empty for no disk.</summary>
    public string? Pool { get; init; }

    /// <summary>The volume of that pool its disk is a clone of; empty for an empty disk.</summary>
    public string? Image { get; init; }

    /// <summary>Machine type; empty is the hypervisor's default.</summary>
    public string? MachineType { get; init; }

    /// <summary>What boots the guest.</summary>
    public GuestFirmware? Firmware { get; init; }

    /// <summary>Whether the guest has a TPM 2.0 of its own.</summary>
    public bool? HasTpm { get; init; }

    /// <summary>How important it is, 0 to 100.</summary>
    public int Priority { get; init; } = VirtualMachineLimits.DefaultPriority;

    /// <summary>Whether it is started again when it went down without anybody asking for it.</summary>
    public bool RestartsAutomatically { get; init; }

    /// <summary>What it asks of its host.</summary>
    public TrustLevel TrustLevel { get; init; }

    /// <summary>Whether to start it too.</summary>
    public bool Start { get; init; }
}

/// <summary>Changes to a VM; null leaves as it is.</summary>
public sealed record VirtualMachineEdit
{
    /// <summary>New name.</summary>
    public string? Name { get; init; }

    /// <summary>New description.</summary>
    public string? Description { get; init; }

    /// <summary>New virtual CPUs; only while it is down.</summary>
    public int? Cpus { get; init; }

    /// <summary>New memory in bytes; only while it is down.</summary>
    public long? Memory { get; init; }

    /// <summary>New network, empty for none; only while it is down.</summary>
    public string? Network { get; init; }

    /// <summary>New machine type, empty for the hypervisor's default; only while it is down.</summary>
    public string? MachineType { get; init; }

    /// <summary>What is to boot the guest; only while it is down.</summary>
    public GuestFirmware? Firmware { get; init; }

    /// <summary>Whether the guest has a TPM 2.0 of its own; only while it is down. What a TPM that is taken away holds is lost.</summary>
    public bool? HasTpm { get; init; }

    /// <summary>How important it is, 0 to 100.</summary>
    public int? Priority { get; init; }

    /// <summary>Whether it is started again when it went down without anybody asking for it.</summary>
    public bool? RestartsAutomatically { get; init; }

    /// <summary>New trust level. Raising it on a running VM needs its host to qualify now.</summary>
    public TrustLevel? TrustLevel { get; init; }
}

/// <summary>Limits of a VM's fields. The sentence names the limit.</summary>
public static class VirtualMachineLimits
{
    /// <summary>Longest name.</summary>
    public const int LongestName = 64;

    /// <summary>Longest description.</summary>
    public const int LongestDescription = 500;

    /// <summary>Most virtual CPUs.</summary>
    public const int MostCpus = 512;

    /// <summary>Least memory: 16 MiB.</summary>
    public const long LeastMemory = 16L << 20;

    /// <summary>Most memory: 16 TiB.</summary>
    public const long MostMemory = 16L << 40;

    /// <summary>Least disk: 1 MiB.</summary>
    public const long LeastDisk = 1L << 20;

    /// <summary>Most disk: 64 TiB.</summary>
    public const long MostDisk = 64L << 40;

    /// <summary>Longest name of a network, a storage pool or a machine type.</summary>
    public const int LongestWord = 64;

    /// <summary>Longest name of an image.</summary>
    public const int LongestImage = 255;

    /// <summary>Highest priority.</summary>
    public const int MostPriority = 100;

    /// <summary>The priority of a VM for which none was named.</summary>
    public const int DefaultPriority = 50;

    internal static IRuleBuilderOptions<T, string> IsVirtualMachineName<T>(this IRuleBuilder<T, string> rule) => rule
        .NotEmpty().WithMessage("A virtual machine needs a name.")
        .MaximumLength(LongestName).WithMessage($"A name has at most {LongestName} characters.")
        .Matches("^[A-Za-z0-9][A-Za-z0-9._-]*$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)
        .WithMessage("A name has letters, digits, '.', '_' and '-', and begins with a letter or digit.");

    internal static IRuleBuilderOptions<T, int> IsCpuCount<T>(this IRuleBuilder<T, int> rule) => rule
        .InclusiveBetween(1, MostCpus).WithMessage($"CPUs are between 1 and {MostCpus}.");

    internal static IRuleBuilderOptions<T, long> IsDisk<T>(this IRuleBuilder<T, long> rule) => rule
        .InclusiveBetween(LeastDisk, MostDisk).WithMessage($"A disk is between 1 MiB and {ByteSize.Text(MostDisk)}, in bytes.");

    internal static IRuleBuilderOptions<T, string> IsNetwork<T>(this IRuleBuilder<T, string> rule) => rule.IsWordOr("A network's name");

    internal static IRuleBuilderOptions<T, string> IsPool<T>(this IRuleBuilder<T, string> rule) => rule.IsWordOr("A storage pool's name");

    internal static IRuleBuilderOptions<T, string> IsMachineType<T>(this IRuleBuilder<T, string> rule) => rule.IsWordOr("A machine type");

    internal static IRuleBuilderOptions<T, string> IsImage<T>(this IRuleBuilder<T, string> rule) => rule
        .MaximumLength(LongestImage).WithMessage($"An image's name has at most {LongestImage} characters.")
        .Must(name => name.Length == 0 || (name[0] != '.' && !name.Any(c => c == '/' || char.IsControl(c)))).WithMessage("An image is the name of a volume: no slash, no control character, no dot at its beginning.");

    internal static IRuleBuilderOptions<T, int> IsPriority<T>(this IRuleBuilder<T, int> rule) => rule
        .InclusiveBetween(0, MostPriority).WithMessage($"A priority is between 0 and {MostPriority}.");

    /// <summary>What goes together: an image lies in a pool, and Secure Boot needs the q35 board.</summary>
    internal static Refusal? WhyNotTogether(string pool, string image, string machineType, GuestFirmware firmware)
    {
        if (pool.Length == 0 && image.Length > 0)
        {
            return Refusal.Invalid("vm.image.without_pool", "storage.pool", $"The image {image} lies in no storage pool.", "Name the pool it lies in, or no image.");
        }

        var isOldBoard = machineType is "pc" || machineType.StartsWith("pc-i440fx", StringComparison.Ordinal);
        return firmware is GuestFirmware.SecureBoot && isOldBoard
            ? Refusal.Invalid("vm.firmware.board", "bios.type", $"The machine type {machineType} cannot protect what Secure Boot needs protected.", "Choose a q35 machine, or other firmware.")
            : null;
    }

    private static IRuleBuilderOptions<T, string> IsWordOr<T>(this IRuleBuilder<T, string> rule, string what) => rule
        .MaximumLength(LongestWord).WithMessage($"{what} has at most {LongestWord} characters.")
        .Matches("^([A-Za-z0-9][A-Za-z0-9._+-]*)?$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)
        .WithMessage($"{what} has letters, digits, '.', '_', '+' and '-', and begins with a letter or digit.");

    internal static IRuleBuilderOptions<T, long> IsMemory<T>(this IRuleBuilder<T, long> rule) => rule
        .InclusiveBetween(LeastMemory, MostMemory).WithMessage($"Memory is between {ByteSize.Text(LeastMemory)} and {ByteSize.Text(MostMemory)}, in bytes.");
}

internal sealed class NewVirtualMachineValidator : AbstractValidator<NewVirtualMachine>
{
    public NewVirtualMachineValidator()
    {
        RuleLevelCascadeMode = CascadeMode.Stop;
        RuleFor(v => v.Name).IsVirtualMachineName().OverridePropertyName("name");
        RuleFor(v => v.Description).MaximumLength(VirtualMachineLimits.LongestDescription).OverridePropertyName("description");
        RuleFor(v => v.Cpus!.Value).IsCpuCount().When(v => v.Cpus is not null).OverridePropertyName("cpu.topology");
        RuleFor(v => v.Memory!.Value).IsMemory().When(v => v.Memory is not null).OverridePropertyName("memory");
        RuleFor(v => v.Disk!.Value).IsDisk().When(v => v.Disk is not null).OverridePropertyName("disk");
        RuleFor(v => v.Network!).IsNetwork().When(v => v.Network is not null).OverridePropertyName("network");
        RuleFor(v => v.Pool!).IsPool().When(v => v.Pool is not null).OverridePropertyName("storage.pool");
        RuleFor(v => v.Image!).IsImage().When(v => v.Image is not null).OverridePropertyName("storage.image");
        RuleFor(v => v.MachineType!).IsMachineType().When(v => v.MachineType is not null).OverridePropertyName("custom_emulated_machine");
        RuleFor(v => v.Firmware!.Value).IsInEnum().When(v => v.Firmware is not null).OverridePropertyName("bios.type");
        RuleFor(v => v.Priority).IsPriority().OverridePropertyName("high_availability.priority");
        RuleFor(v => v.TrustLevel).IsInEnum().WithMessage("The trust level is 'any' or 'trusted'.").OverridePropertyName("trust_level");
    }
}

internal sealed class VirtualMachineEditValidator : AbstractValidator<VirtualMachineEdit>
{
    public VirtualMachineEditValidator()
    {
        RuleLevelCascadeMode = CascadeMode.Stop;
        RuleFor(v => v.Name!).IsVirtualMachineName().When(v => v.Name is not null).OverridePropertyName("name");
        RuleFor(v => v.Description!).MaximumLength(VirtualMachineLimits.LongestDescription).When(v => v.Description is not null).OverridePropertyName("description");
        RuleFor(v => v.Cpus!.Value).IsCpuCount().When(v => v.Cpus is not null).OverridePropertyName("cpu.topology");
        RuleFor(v => v.Memory!.Value).IsMemory().When(v => v.Memory is not null).OverridePropertyName("memory");
        RuleFor(v => v.Network!).IsNetwork().When(v => v.Network is not null).OverridePropertyName("network");
        RuleFor(v => v.MachineType!).IsMachineType().When(v => v.MachineType is not null).OverridePropertyName("custom_emulated_machine");
        RuleFor(v => v.Firmware!.Value).IsInEnum().When(v => v.Firmware is not null).OverridePropertyName("bios.type");
        RuleFor(v => v.Priority!.Value).IsPriority().When(v => v.Priority is not null).OverridePropertyName("high_availability.priority");
        RuleFor(v => v.TrustLevel!.Value).IsInEnum().When(v => v.TrustLevel is not null)
            .WithMessage("The trust level is 'any' or 'trusted'.").OverridePropertyName("trust_level");
    }
}
