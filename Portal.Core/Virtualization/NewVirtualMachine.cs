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

    /// <summary>Network name.</summary>
    public string Network { get; init; } = "default";

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

    /// <summary>Most disk: 64 TiB.</summary>
    public const long MostDisk = 64L << 40;

    internal static IRuleBuilderOptions<T, string> IsVirtualMachineName<T>(this IRuleBuilder<T, string> rule) => rule
        .NotEmpty().WithMessage("A virtual machine needs a name.")
        .MaximumLength(LongestName).WithMessage($"A name has at most {LongestName} characters.")
        .Matches("^[A-Za-z0-9][A-Za-z0-9._-]*$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)
        .WithMessage("A name has letters, digits, '.', '_' and '-', and begins with a letter or digit.");

    internal static IRuleBuilderOptions<T, int> IsCpuCount<T>(this IRuleBuilder<T, int> rule) => rule
        .InclusiveBetween(1, MostCpus).WithMessage($"CPUs are between 1 and {MostCpus}.");

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
        RuleFor(v => v.Disk!.Value).InclusiveBetween(1L << 20, VirtualMachineLimits.MostDisk).When(v => v.Disk is not null)
            .WithMessage($"A disk is between 1 MiB and {ByteSize.Text(VirtualMachineLimits.MostDisk)}, in bytes.").OverridePropertyName("disk");
        RuleFor(v => v.Network).NotEmpty().MaximumLength(64).OverridePropertyName("network");
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
        RuleFor(v => v.TrustLevel!.Value).IsInEnum().When(v => v.TrustLevel is not null)
            .WithMessage("The trust level is 'any' or 'trusted'.").OverridePropertyName("trust_level");
    }
}
