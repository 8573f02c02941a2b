using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary>What a client writes of a machine, be it a VM's or a template's; null where it says nothing.</summary>
internal sealed record MachineFields
{
    public long? Memory { get; private init; }

    /// <summary>Bytes.</summary>
    public long? Disk { get; private init; }

    public string? Pool { get; private init; }

    public string? Image { get; private init; }

    public string? Network { get; private init; }

    public bool? HasTpm { get; private init; }

    private string? MachineType { get; init; }

    private string? Bios { get; init; }

    private int? Sockets { get; init; }

    private int? Cores { get; init; }

    private int? Threads { get; init; }

    public static MachineFields Read(FieldReader fields)
    {
        var bios = fields.Word(BiosWords.Field);
        if (bios is not null && BiosWords.Parse(bios) is null)
        {
            fields.Refuse("vm.bios.unknown", BiosWords.Field, $"'{FieldReader.Short(bios)}' is no type of BIOS.", "Give cluster_default, i440fx_sea_bios, q35_sea_bios, q35_ovmf or q35_secure_boot.");
        }

        return new MachineFields
        {
            Memory = fields.Number("memory"),
            Disk = fields.Number("disk"),
            Pool = fields.Word("storage.pool"),
            Image = fields.Word("storage.image"),
            Network = fields.Word("network"),
            HasTpm = fields.Flag("tpm_enabled"),
            MachineType = fields.Word("custom_emulated_machine"),
            Bios = bios,
            Sockets = Count(fields, "sockets"),
            Cores = Count(fields, "cores"),
            Threads = Count(fields, "threads"),
        };
    }

    /// <summary>Virtual CPUs of the topology, where what is left out is as the machine has it: sockets of one core with one thread.</summary>
    /// <param name="sockets">The machine's sockets; 1 for a new one.</param>
    public int? CpusOver(int sockets) =>
        Sockets is null && Cores is null && Threads is null ? null : (Sockets ?? sockets) * (Cores ?? 1) * (Threads ?? 1);

    /// <summary>Board and firmware where they are to be others than they are; a document that was read and sent back changes neither.</summary>
    /// <param name="machineType">The machine type it has.</param>
    /// <param name="firmware">The firmware it has.</param>
    public (string? MachineType, GuestFirmware? Firmware) MachineOver(string machineType, GuestFirmware firmware)
    {
        if (Bios is null || string.Equals(Bios, BiosWords.Of(machineType, firmware), StringComparison.OrdinalIgnoreCase) || BiosWords.Parse(Bios) is not { } wanted)
        {
            return (MachineType, null);
        }

        // The exact type that is sent back with another BIOS is what was read, not what is wanted, unless the board stays.
        var type = MachineType is { } own && own != machineType ? own : BiosWords.AreAlike(machineType, wanted.MachineType) ? machineType : wanted.MachineType;
        return (type, wanted.Firmware);
    }

    /// <summary>What documents say of a machine beside its size.</summary>
    public static IEnumerable<Element?> Document(string pool, string image, long disk, string network, string machineType, GuestFirmware firmware, bool hasTpm) =>
    [
        Element.Number("disk", disk),
        Element.Of("storage", Element.Leaf("pool", pool), Element.Leaf("image", image)),
        Element.Leaf("network", network),
        BiosWords.Of(machineType, firmware) is { } bios ? Element.Of("bios", Element.Leaf("type", bios)) : null,
        machineType.Length > 0 ? Element.Leaf("custom_emulated_machine", machineType) : null,
        Element.Flag("tpm_enabled", hasTpm),
    ];

    private static int? Count(FieldReader fields, string part)
    {
        var field = $"cpu.topology.{part}";
        if (fields.Number(field) is not { } count)
        {
            return null;
        }

        if (count is >= 1 and <= VirtualMachineLimits.MostCpus)
        {
            return (int)count;
        }

        fields.Refuse("vm.cpu.range", field, $"{count} {part} are not between 1 and {VirtualMachineLimits.MostCpus}.", "Correct it and try again.");
        return null;
    }
}
