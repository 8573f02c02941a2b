namespace Portal.Core.Tpm;

/// <summary>What a TPM lets be done with an object. Source: TPM 2.0 Library Part 2, "TPMA_OBJECT".</summary>
[Flags]
public enum TpmObjectAttributes : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Cannot leave its TPM.</summary>
    FixedTpm = 1 << 1,

    /// <summary>Gone after a TPM reset.</summary>
    StClear = 1 << 2,

    /// <summary>Cannot get another parent.</summary>
    FixedParent = 1 << 4,

    /// <summary>The TPM itself made the private part.</summary>
    SensitiveDataOrigin = 1 << 5,

    /// <summary>Used with its password.</summary>
    UserWithAuth = 1 << 6,

    /// <summary>Administered by policy only.</summary>
    AdminWithPolicy = 1 << 7,

    /// <summary>Not subject to lockout after wrong passwords.</summary>
    NoDictionaryAttackProtection = 1 << 10,

    /// <summary>Duplicated only encrypted.</summary>
    EncryptedDuplication = 1 << 11,

    /// <summary>Signs only what the TPM made, or decrypts only what the TPM understands.</summary>
    Restricted = 1 << 16,

    /// <summary>May decrypt.</summary>
    Decrypt = 1 << 17,

    /// <summary>May sign.</summary>
    Sign = 1 << 18,

    /// <summary>May sign X.509 certificates of TPM keys.</summary>
    X509Sign = 1 << 19,
}

/// <summary>Elliptic curves. Source: TCG Algorithm Registry, "TPM_ECC_CURVE".</summary>
public enum TpmCurve : ushort
{
    /// <summary>Not an elliptic-curve key.</summary>
    None = 0,

    /// <summary>NIST P-192.</summary>
    P192 = 1,

    /// <summary>NIST P-224.</summary>
    P224 = 2,

    /// <summary>NIST P-256.</summary>
    P256 = 3,

    /// <summary>NIST P-384.</summary>
    P384 = 4,

    /// <summary>NIST P-521.</summary>
    P521 = 5,
}

/// <summary>
/// The public part of an RSA or elliptic-curve key with everything its TPM promises about it.
/// Source: TPM 2.0 Library Part 2, "TPMT_PUBLIC" and "TPM2B_PUBLIC".
/// </summary>
public sealed class TpmtPublic
{
    /// <summary>Longest structure accepted, in bytes.</summary>
    public const int MaxLength = 1024;

    private TpmtPublic(ReadOnlyMemory<byte> raw) => Raw = raw;

    /// <summary>The TPMT_PUBLIC bytes, without a TPM2B length.</summary>
    public ReadOnlyMemory<byte> Raw { get; }

    /// <summary><see cref="TpmAlgorithm.Rsa"/> or <see cref="TpmAlgorithm.Ecc"/>.</summary>
    public TpmAlgorithm Type { get; private init; }

    /// <summary>Hash of the key's name.</summary>
    public TpmAlgorithm NameAlgorithm { get; private init; }

    /// <summary>What the TPM allows and promises.</summary>
    public TpmObjectAttributes Attributes { get; private init; }

    /// <summary>Digest of the policy that guards the key; empty when none.</summary>
    public ReadOnlyMemory<byte> AuthPolicy { get; private init; }

    /// <summary>How the key protects its children: cipher, key bits and mode; <see cref="TpmAlgorithm.Null"/> for a key without children.</summary>
    public (TpmAlgorithm Cipher, int KeyBits, TpmAlgorithm Mode) Symmetric { get; private init; }

    /// <summary>The fixed scheme, or <see cref="TpmAlgorithm.Null"/> when the user of the key chooses.</summary>
    public TpmAlgorithm Scheme { get; private init; }

    /// <summary>The scheme's hash, or <see cref="TpmAlgorithm.Null"/>.</summary>
    public TpmAlgorithm SchemeHash { get; private init; }

    /// <summary>RSA: key length in bits.</summary>
    public int KeyBits { get; private init; }

    /// <summary>RSA: the public exponent.</summary>
    public uint Exponent { get; private init; }

    /// <summary>RSA: the modulus, big-endian.</summary>
    public ReadOnlyMemory<byte> Modulus { get; private init; }

    /// <summary>ECC: the curve, which may have no name here.</summary>
    public TpmCurve Curve { get; private init; }

    /// <summary>ECC: the point's x, big-endian, leading zeros perhaps missing.</summary>
    public ReadOnlyMemory<byte> X { get; private init; }

    /// <summary>ECC: the point's y, big-endian, leading zeros perhaps missing.</summary>
    public ReadOnlyMemory<byte> Y { get; private init; }

    /// <summary>
    /// The key's name: the name algorithm and the hash of <see cref="Raw"/>. Two keys with one name are one key.
    /// Source: TPM 2.0 Library Part 1, "Names".
    /// </summary>
    public byte[] ComputeName()
    {
        var name = new byte[2 + NameAlgorithm.DigestSize()];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(name, (ushort)NameAlgorithm);
        TpmHash.Compute(NameAlgorithm, Raw.Span, name.AsSpan(2));
        return name;
    }

    /// <summary>
    /// Reads a public area, with or without the length in front. Refused: another type than RSA or ECC, an unknown name hash, scheme or
    /// cipher, a length that does not fit, bytes left over. Says nothing yet about trust: see <see cref="AttestationKey.Accept(ReadOnlySpan{byte})"/>.
    /// </summary>
    /// <param name="bytes">A TPM2B_PUBLIC or TPMT_PUBLIC.</param>
    public static TpmResult<TpmtPublic> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        if (bytes.Length > MaxLength)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"A public area of {bytes.Length} bytes; at most {MaxLength} are possible.");
        // A length that fits exactly is a TPM2B: the type numbers 1 and 0x23 are too small to be lengths of real areas.
        if (bytes.Length > 2 && System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(bytes) == bytes.Length - 2)
            bytes = bytes[2..];

        var reader = new TpmReader(bytes);
        var type = reader.Algorithm();
        var nameAlgorithm = reader.Algorithm();
        var attributes = (TpmObjectAttributes)reader.U32();
        var policy = reader.Sized();
        if (reader.Failed)
            return TpmRefusal.Truncated("public area");
        if (type is not (TpmAlgorithm.Rsa or TpmAlgorithm.Ecc))
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Key type {type.DisplayName()} is not supported.");
        if (!nameAlgorithm.CanHash())
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Name hash {nameAlgorithm.DisplayName()} is not supported.");

        var cipher = reader.Algorithm();
        var symmetric = cipher == TpmAlgorithm.Null
            ? (cipher, 0, TpmAlgorithm.Null)
            : (cipher, (int)reader.U16(), reader.Algorithm());
        var scheme = reader.Algorithm();
        if (!reader.Failed && scheme is not (TpmAlgorithm.Null or TpmAlgorithm.RsaSsa or TpmAlgorithm.RsaPss or TpmAlgorithm.RsaEs
            or TpmAlgorithm.Oaep or TpmAlgorithm.EcDsa or TpmAlgorithm.EcDh or TpmAlgorithm.EcDaa))
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Key scheme {scheme.DisplayName()} is not supported.");
        var schemeHash = scheme is TpmAlgorithm.Null or TpmAlgorithm.RsaEs ? TpmAlgorithm.Null : reader.Algorithm();
        if (scheme == TpmAlgorithm.EcDaa)
            reader.U16();

        ushort keyBits = 0, curve = 0;
        uint exponent = 0;
        if (type == TpmAlgorithm.Rsa)
        {
            keyBits = reader.U16();
            exponent = reader.U32();
        }
        else
        {
            curve = reader.U16();
            if (reader.Algorithm() != TpmAlgorithm.Null)
                reader.Algorithm();
        }
        var first = reader.Sized();
        var second = type == TpmAlgorithm.Ecc ? reader.Sized() : default;
        if (reader.Failed)
            return TpmRefusal.Truncated("public area");
        if (reader.Remaining > 0)
            return TpmRefusal.Trailing("public area", reader.Remaining);

        const uint defaultExponent = 65537;
        ReadOnlyMemory<byte> raw = bytes.ToArray();
        return new TpmtPublic(raw)
        {
            Type = type,
            NameAlgorithm = nameAlgorithm,
            Attributes = attributes,
            AuthPolicy = raw.Slice(policy.Start, policy.Length),
            Symmetric = symmetric,
            Scheme = scheme,
            SchemeHash = schemeHash,
            KeyBits = keyBits,
            Exponent = type == TpmAlgorithm.Rsa && exponent == 0 ? defaultExponent : exponent,
            Modulus = type == TpmAlgorithm.Rsa ? raw.Slice(first.Start, first.Length) : default,
            Curve = (TpmCurve)curve,
            X = type == TpmAlgorithm.Ecc ? raw.Slice(first.Start, first.Length) : default,
            Y = raw.Slice(second.Start, second.Length),
        };
    }
}
