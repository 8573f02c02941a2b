namespace Portal.Core.Tpm;

/// <summary>
/// The data a separator event measures. Source: TCG PC Client Platform Firmware Profile, "EV_SEPARATOR": four zero or four
/// all-one bytes end the firmware's part in order, the number 1 says that measuring failed.
/// </summary>
internal static class Separators
{
    public static ReadOnlySpan<byte> Zeros => [0, 0, 0, 0];

    public static ReadOnlySpan<byte> Ones => [0xFF, 0xFF, 0xFF, 0xFF];

    public static ReadOnlySpan<byte> Error => [1, 0, 0, 0];

    /// <summary>Whether a digest is that of a separator that reports no error.</summary>
    public static bool IsNormal(TpmAlgorithm bank, ReadOnlySpan<byte> digest) =>
        TpmHash.Matches(bank, Zeros, digest) || TpmHash.Matches(bank, Ones, digest);

    /// <summary>The value of a PCR that holds one separator and nothing else.</summary>
    public static byte[] Alone(TpmAlgorithm bank, ReadOnlySpan<byte> separator)
    {
        var value = new byte[bank.DigestSize()];
        Span<byte> digest = stackalloc byte[TpmHash.MaxDigestSize];
        var size = TpmHash.Compute(bank, separator, digest);
        TpmHash.TryExtend(bank, value, digest[..size]);
        return value;
    }
}
