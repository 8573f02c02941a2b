namespace Portal.Core.Tpm;

/// <summary>
/// A signature with its scheme and hash. RSASSA, RSAPSS and ECDSA are read; SHA-1 is read so that the quote check can say so.
/// Source: TPM 2.0 Library Part 2, "TPMT_SIGNATURE".
/// </summary>
public sealed class TpmtSignature
{
    /// <summary>Longest structure accepted, in bytes: RSA 4096 and its header.</summary>
    public const int MaxLength = 6 + 512;

    private TpmtSignature(TpmAlgorithm scheme, TpmAlgorithm hash)
    {
        Scheme = scheme;
        Hash = hash;
    }

    /// <summary><see cref="TpmAlgorithm.RsaSsa"/>, <see cref="TpmAlgorithm.RsaPss"/> or <see cref="TpmAlgorithm.EcDsa"/>.</summary>
    public TpmAlgorithm Scheme { get; }

    /// <summary>The hash that was signed: SHA-1, SHA-256, SHA-384 or SHA-512.</summary>
    public TpmAlgorithm Hash { get; }

    /// <summary>RSA: the signature number, big-endian; empty for ECDSA.</summary>
    public ReadOnlyMemory<byte> Rsa { get; private init; }

    /// <summary>ECDSA: r, big-endian, leading zeros perhaps missing; empty for RSA.</summary>
    public ReadOnlyMemory<byte> R { get; private init; }

    /// <summary>ECDSA: s, big-endian, leading zeros perhaps missing; empty for RSA.</summary>
    public ReadOnlyMemory<byte> S { get; private init; }

    /// <summary>Reads a signature. Refused: another scheme or hash, a length that does not fit, bytes left over.</summary>
    /// <param name="bytes">The TPMT_SIGNATURE.</param>
    public static TpmResult<TpmtSignature> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        if (bytes.Length > MaxLength)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"A signature of {bytes.Length} bytes; at most {MaxLength} are possible.");
        var reader = new TpmReader(bytes);
        var scheme = reader.Algorithm();
        var hash = reader.Algorithm();
        if (reader.Failed)
            return TpmRefusal.Truncated("signature");
        if (scheme is not (TpmAlgorithm.RsaSsa or TpmAlgorithm.RsaPss or TpmAlgorithm.EcDsa))
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Signature scheme {scheme.DisplayName()} is not supported.");
        if (!hash.CanHash())
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Signature hash {hash.DisplayName()} is not supported.");

        var first = reader.Sized();
        var second = scheme == TpmAlgorithm.EcDsa ? reader.Sized() : default;
        if (reader.Failed)
            return TpmRefusal.Truncated("signature");
        if (reader.Remaining > 0)
            return TpmRefusal.Trailing("signature", reader.Remaining);

        ReadOnlyMemory<byte> raw = bytes.ToArray();
        return scheme == TpmAlgorithm.EcDsa
            ? new TpmtSignature(scheme, hash) { R = raw.Slice(first.Start, first.Length), S = raw.Slice(second.Start, second.Length) }
            : new TpmtSignature(scheme, hash) { Rsa = raw.Slice(first.Start, first.Length) };
    }
}
