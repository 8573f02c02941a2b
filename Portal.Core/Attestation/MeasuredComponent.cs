using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>What a PCR measures, in the words of people who run hosts.</summary>
public static class MeasuredComponent
{
    /// <summary>For example <c>boot loader</c> for PCR 4. Source: TCG PC Client Platform Firmware Profile, "PCR Usage"; for 8, 9 and 14 the UAPI Group's Linux TPM PCR Registry.</summary>
    public static string NameOf(int pcr) => pcr switch
    {
        0 => "firmware",
        1 => "firmware configuration",
        2 => "option ROM",
        3 => "option ROM configuration",
        4 => "boot loader",
        5 => "boot configuration",
        6 => "platform setting",
        7 => "Secure Boot policy",
        8 => "boot commands",
        9 => "kernel or initrd",
        10 => "files used",
        14 => "machine owner keys",
        _ => PcrMeaning.Of(pcr).Name,
    };
}
