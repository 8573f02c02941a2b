using System.Collections.Immutable;

namespace Portal.Core.Tpm;

/// <summary>What a PCR value says at first sight, before any baseline is asked.</summary>
public enum PcrContent
{
    /// <summary>Something was measured.</summary>
    Measured,

    /// <summary>All zero: nothing was ever extended, or the PCR was just reset.</summary>
    AllZero,

    /// <summary>All ones: a launch register of a machine without measured launch.</summary>
    AllOnes,

    /// <summary>One separator of zeros and nothing else: firmware closed the PCR without measuring into it.</summary>
    SeparatorOnly,

    /// <summary>One separator of ones and nothing else; newer profiles use it where booting went wrong.</summary>
    OnesSeparatorOnly,

    /// <summary>One error separator and nothing else: firmware could not measure.</summary>
    ErrorSeparatorOnly,
}

/// <summary>What a PCR is for, and how well it serves a baseline.</summary>
/// <param name="Pcr">The PCR, 0 to 23.</param>
/// <param name="Name">A short name; up to PCR 15 the one systemd uses.</param>
/// <param name="Measures">What lands in it, for people.</param>
/// <param name="Advice">How to use it in a baseline.</param>
public sealed record PcrMeaning(int Pcr, string Name, string Measures, string Advice)
{
    /// <summary>Value of a SHA-256 PCR that holds the separator 00000000 alone.</summary>
    public const string SeparatorOnlySha256 = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969";

    /// <summary>Value of a SHA-256 PCR that holds the separator FFFFFFFF alone.</summary>
    public const string OnesSeparatorOnlySha256 = "e21b703ee69c77476bccb43ec0336a9a1b2914b378944f7b00a10214ca8fea93";

    private static readonly ImmutableArray<TpmAlgorithm> s_banks =
        [TpmAlgorithm.Sha1, TpmAlgorithm.Sha256, TpmAlgorithm.Sha384, TpmAlgorithm.Sha512];

    private static readonly ImmutableDictionary<TpmAlgorithm, SeparatorValues> s_separators =
        s_banks.ToImmutableDictionary(bank => bank, bank => new SeparatorValues(
            Separators.Alone(bank, Separators.Zeros), Separators.Alone(bank, Separators.Ones), Separators.Alone(bank, Separators.Error)));

    /// <summary>
    /// All 24, by number. Sources: TCG PC Client Platform Firmware Profile, "PCR Usage"; UAPI Group, Linux TPM PCR Registry;
    /// Intel TXT Software Development Guide for 17 to 20.
    /// </summary>
    public static ImmutableArray<PcrMeaning> All { get; } =
    [
        new(0, "platform-code", "Firmware code and the root that starts it", "Approve per firmware version."),
        new(1, "platform-config", "Firmware settings, SMBIOS tables, boot order", "Differs by machine and setting: leave out unless machines are alike."),
        new(2, "external-code", "Option ROMs and drivers of plug-in cards", "Approve where machines carry the same cards."),
        new(3, "external-config", "Settings of plug-in cards", "Of use only where cards are alike."),
        new(4, "boot-loader-code", "Boot manager and boot loaders: shim, GRUB, kernel image", "Approve by event: names each loader that ran."),
        new(5, "boot-loader-config", "Partition table and boot manager settings", "Differs by disk: leave out."),
        new(6, "host-platform", "Whatever the manufacturer chose", "Differs by manufacturer: leave out."),
        new(7, "secure-boot-policy", "Secure Boot state, its keys and lists, and what they let run", "Approve; changes when revocation lists are updated."),
        new(8, "boot-loader-commands", "Commands of GRUB and the kernel command line", "Approve by event."),
        new(9, "kernel-initrd", "Files the boot loader read: kernel and initial RAM disk", "Approve by event; changes with each kernel."),
        new(10, "ima", "Files the running kernel opened (IMA)", "Never by value: grows while the host runs."),
        new(11, "kernel-boot", "Parts of a unified kernel image and boot phases", "Approve by event or by predicted value."),
        new(12, "kernel-config", "Kernel command line and credentials given to a unified kernel image", "Optional."),
        new(13, "sysexts", "System extensions of the initial RAM disk", "Optional."),
        new(14, "shim-policy", "Keys and hashes the machine's owner enrolled in shim (MOK)", "Approve where owners enrol keys."),
        new(15, "system-identity", "Identity of the installed system, such as volume keys and machine id", "Differs by machine: leave out."),
        new(16, "debug", "Free for debugging; anybody may reset it", "Never: proves nothing."),
        new(17, "launch-details", "Measured launch: the modules and policy that took part", "Approve by event; all ones without a measured launch."),
        new(18, "launch-authorities", "Measured launch: who signed its modules and policy", "Approve by event; all ones without a measured launch."),
        new(19, "launched-system", "Measured launch: kernel and modules", "Approve by event; changes with each kernel."),
        new(20, "launched-kernel", "Measured launch: the hypervisor's kernel", "Approve by event where it is used."),
        new(21, "launched-use", "Free for the launched system", "Optional."),
        new(22, "asset-tag", "The host's asset tag or location", "Differs by host by design."),
        new(23, "application", "Free for applications; may be reset", "Never: proves nothing."),
    ];

    /// <summary>The meaning of a PCR; a number outside 0 to 23 throws <see cref="ArgumentOutOfRangeException"/>.</summary>
    /// <param name="pcr">The PCR.</param>
    public static PcrMeaning Of(int pcr)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pcr);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(pcr, PcrMask.PcrCount);
        return All[pcr];
    }

    /// <summary>
    /// What a value says by itself. Anything but <see cref="PcrContent.Measured"/> carries no information about the host and
    /// deserves a warning in a baseline.
    /// </summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="value">The PCR's value.</param>
    public static PcrContent Classify(TpmAlgorithm bank, ReadOnlySpan<byte> value)
    {
        if (value.IndexOfAnyExcept((byte)0) < 0)
            return PcrContent.AllZero;
        if (value.IndexOfAnyExcept((byte)0xFF) < 0)
            return PcrContent.AllOnes;
        if (!s_separators.TryGetValue(bank, out var separators))
            return PcrContent.Measured;
        if (value.SequenceEqual(separators.Zeros))
            return PcrContent.SeparatorOnly;
        if (value.SequenceEqual(separators.Ones))
            return PcrContent.OnesSeparatorOnly;
        return value.SequenceEqual(separators.Error) ? PcrContent.ErrorSeparatorOnly : PcrContent.Measured;
    }

    private sealed record SeparatorValues(byte[] Zeros, byte[] Ones, byte[] Error);
}
