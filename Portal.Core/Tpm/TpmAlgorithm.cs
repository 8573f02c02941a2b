using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>
/// Algorithm identifiers as they stand in TPM structures and event logs.
/// A value without a name here is legal input that this code cannot compute with.
/// Source: TCG Algorithm Registry, table "TPM_ALG_ID".
/// </summary>
public enum TpmAlgorithm : ushort
{
    /// <summary>No value read; never on the wire.</summary>
    None = 0x0000,

    /// <summary>RSA keys.</summary>
    Rsa = 0x0001,

    /// <summary>SHA-1: parsed, never trusted.</summary>
    Sha1 = 0x0004,

    /// <summary>HMAC keys.</summary>
    Hmac = 0x0005,

    /// <summary>AES, the usual protection of an endorsement or storage key's children.</summary>
    Aes = 0x0006,

    /// <summary>Objects that hold data instead of a key pair.</summary>
    KeyedHash = 0x0008,

    /// <summary>SHA-256.</summary>
    Sha256 = 0x000B,

    /// <summary>SHA-384.</summary>
    Sha384 = 0x000C,

    /// <summary>SHA-512.</summary>
    Sha512 = 0x000D,

    /// <summary>"Nothing chosen", for example a key without a fixed scheme.</summary>
    Null = 0x0010,

    /// <summary>SM3 with 256 bits: sized, not computed here.</summary>
    Sm3 = 0x0012,

    /// <summary>RSASSA PKCS #1 v1.5 signatures.</summary>
    RsaSsa = 0x0014,

    /// <summary>RSAES PKCS #1 v1.5 encryption.</summary>
    RsaEs = 0x0015,

    /// <summary>RSASSA-PSS signatures.</summary>
    RsaPss = 0x0016,

    /// <summary>RSAES-OAEP encryption.</summary>
    Oaep = 0x0017,

    /// <summary>ECDSA signatures.</summary>
    EcDsa = 0x0018,

    /// <summary>Diffie-Hellman over an elliptic curve.</summary>
    EcDh = 0x0019,

    /// <summary>Anonymous ECDAA signatures.</summary>
    EcDaa = 0x001A,

    /// <summary>Elliptic-curve keys.</summary>
    Ecc = 0x0023,

    /// <summary>Symmetric keys.</summary>
    SymCipher = 0x0025,

    /// <summary>SHA3-256: sized, not computed here.</summary>
    Sha3With256 = 0x0027,

    /// <summary>SHA3-384: sized, not computed here.</summary>
    Sha3With384 = 0x0028,

    /// <summary>SHA3-512: sized, not computed here.</summary>
    Sha3With512 = 0x0029,

    /// <summary>Cipher feedback mode of a block cipher.</summary>
    Cfb = 0x0043,
}

/// <summary>What an algorithm identifier means to a verifier.</summary>
public static class TpmAlgorithmFacts
{
    /// <summary>Digest length in bytes, or 0 when the algorithm is not a hash known here.</summary>
    /// <param name="algorithm">Any identifier.</param>
    public static int DigestSize(this TpmAlgorithm algorithm) => algorithm switch
    {
        TpmAlgorithm.Sha1 => 20,
        TpmAlgorithm.Sha256 or TpmAlgorithm.Sm3 or TpmAlgorithm.Sha3With256 => 32,
        TpmAlgorithm.Sha384 or TpmAlgorithm.Sha3With384 => 48,
        TpmAlgorithm.Sha512 or TpmAlgorithm.Sha3With512 => 64,
        _ => 0,
    };

    /// <summary>Whether digests of this algorithm can be computed here: SHA-1 and the SHA-2 family.</summary>
    /// <param name="algorithm">Any identifier.</param>
    public static bool CanHash(this TpmAlgorithm algorithm) =>
        algorithm is TpmAlgorithm.Sha1 || algorithm.IsTrustedHash();

    /// <summary>Whether a signature or PCR bank of this hash may carry trust: SHA-256, SHA-384 or SHA-512.</summary>
    /// <param name="algorithm">Any identifier.</param>
    public static bool IsTrustedHash(this TpmAlgorithm algorithm) =>
        algorithm is TpmAlgorithm.Sha256 or TpmAlgorithm.Sha384 or TpmAlgorithm.Sha512;

    /// <summary>The name tools and administrators use, such as <c>sha256</c>; hexadecimal for an unknown identifier.</summary>
    /// <param name="algorithm">Any identifier.</param>
    public static string DisplayName(this TpmAlgorithm algorithm) => algorithm switch
    {
        TpmAlgorithm.None => "none",
        TpmAlgorithm.Rsa => "rsa",
        TpmAlgorithm.Sha1 => "sha1",
        TpmAlgorithm.Hmac => "hmac",
        TpmAlgorithm.Aes => "aes",
        TpmAlgorithm.KeyedHash => "keyedhash",
        TpmAlgorithm.Sha256 => "sha256",
        TpmAlgorithm.Sha384 => "sha384",
        TpmAlgorithm.Sha512 => "sha512",
        TpmAlgorithm.Null => "null",
        TpmAlgorithm.Sm3 => "sm3_256",
        TpmAlgorithm.RsaSsa => "rsassa",
        TpmAlgorithm.RsaEs => "rsaes",
        TpmAlgorithm.RsaPss => "rsapss",
        TpmAlgorithm.Oaep => "oaep",
        TpmAlgorithm.EcDsa => "ecdsa",
        TpmAlgorithm.EcDh => "ecdh",
        TpmAlgorithm.EcDaa => "ecdaa",
        TpmAlgorithm.Ecc => "ecc",
        TpmAlgorithm.SymCipher => "symcipher",
        TpmAlgorithm.Sha3With256 => "sha3_256",
        TpmAlgorithm.Sha3With384 => "sha3_384",
        TpmAlgorithm.Sha3With512 => "sha3_512",
        TpmAlgorithm.Cfb => "cfb",
        _ => $"0x{(ushort)algorithm:x4}",
    };

    /// <summary>The hash for a tool name such as <c>sha256</c>; <see cref="TpmAlgorithm.None"/> when it names no hash known here.</summary>
    /// <param name="name">Any text; upper and lower case are the same.</param>
    public static TpmAlgorithm HashNamed(string? name) => name?.ToUpperInvariant() switch
    {
        "SHA1" => TpmAlgorithm.Sha1,
        "SHA256" => TpmAlgorithm.Sha256,
        "SHA384" => TpmAlgorithm.Sha384,
        "SHA512" => TpmAlgorithm.Sha512,
        "SM3_256" => TpmAlgorithm.Sm3,
        "SHA3_256" => TpmAlgorithm.Sha3With256,
        "SHA3_384" => TpmAlgorithm.Sha3With384,
        "SHA3_512" => TpmAlgorithm.Sha3With512,
        _ => TpmAlgorithm.None,
    };

    /// <summary>The platform's name of a hash; the caller has asked <see cref="CanHash"/>.</summary>
    internal static HashAlgorithmName PlatformName(this TpmAlgorithm algorithm) => algorithm switch
    {
        TpmAlgorithm.Sha1 => HashAlgorithmName.SHA1,
        TpmAlgorithm.Sha256 => HashAlgorithmName.SHA256,
        TpmAlgorithm.Sha384 => HashAlgorithmName.SHA384,
        TpmAlgorithm.Sha512 => HashAlgorithmName.SHA512,
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "not a computable hash"),
    };
}
