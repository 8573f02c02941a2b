using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>
/// What the kernel measures first: the PCRs that firmware and boot loader filled, in one digest. It ties the list to the boot.
/// Source: Linux kernel, "ima_calc_boot_aggregate": PCR 0 to 9 since 5.8, PCR 0 to 7 where the hash is SHA-1.
/// </summary>
public static class BootAggregate
{
    private const int Pcrs = 10;
    private const int PcrsOfSha1 = 8;

    /// <summary>The digest of given PCR values; null when one of them is missing or the hash cannot be computed here.</summary>
    /// <param name="algorithm">The hash, which is that of the bank too.</param>
    /// <param name="values">Quoted values.</param>
    public static byte[]? Of(TpmAlgorithm algorithm, PcrValues values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (!algorithm.CanHash() || values.Bank(algorithm) is not { } bank)
            return null;
        using var hash = IncrementalHash.CreateHash(algorithm.PlatformName());
        for (var pcr = 0; pcr < (algorithm == TpmAlgorithm.Sha1 ? PcrsOfSha1 : Pcrs); pcr++)
        {
            if (!bank.TryGet(pcr, out var value))
                return null;
            hash.AppendData(value);
        }
        return hash.GetHashAndReset();
    }
}
