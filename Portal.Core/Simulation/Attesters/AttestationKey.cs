using System.Security.Cryptography;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation.Attesters;

/// <summary>A signing key as a TPM holds it: RSA-2048 with RSASSA or ECDSA on P-256, SHA-256. Safe for several threads.</summary>
internal sealed class AttestationKey
{
    /// <summary>fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.</summary>
    private const uint RestrictedSigning = 0x0005_0072;

    /// <summary>The same without restricted: a key that signs whatever it is given.</summary>
    private const uint OrdinarySigning = 0x0004_0072;

    private const ushort CurveP256 = 0x0003;

    private readonly Lock turn = new();
    private readonly AsymmetricAlgorithm algorithm;

    private AttestationKey(AsymmetricAlgorithm algorithm, uint attributes)
    {
        this.algorithm = algorithm;
        PublicArea = Area(algorithm, attributes);
        Name = new TpmWriter().UInt16(TpmAlgorithm.Sha256).Bytes(SHA256.HashData(PublicArea)).ToArray();
    }

    /// <summary>TPMT_PUBLIC.</summary>
    public byte[] PublicArea { get; }

    /// <summary>The TPM's name of the key: hash algorithm and hash of the public area.</summary>
    public byte[] Name { get; }

    public static AttestationKey Generate(bool ecc) => ecc
        ? new AttestationKey(ECDsa.Create(ECCurve.NamedCurves.nistP256), RestrictedSigning)
        : new AttestationKey(RSA.Create(2048), RestrictedSigning);

    /// <summary>A key such as root of a host could make to sign forged attestations with.</summary>
    public static AttestationKey GenerateOrdinary() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), OrdinarySigning);

    public static AttestationKey Read(bool ecc, byte[] pkcs8)
    {
        AsymmetricAlgorithm key = ecc ? ECDsa.Create() : RSA.Create();
        key.ImportPkcs8PrivateKey(pkcs8, out _);
        return new AttestationKey(key, RestrictedSigning);
    }

    public byte[] ToPkcs8() => algorithm.ExportPkcs8PrivateKey();

    /// <summary>TPMT_SIGNATURE over a message.</summary>
    public byte[] Sign(byte[] message, ushort hash)
    {
        var digest = TpmAlgorithm.Hash(hash, message);
        using var mine = turn.EnterScope();
        switch (algorithm)
        {
            case RSA rsa:
                var name = hash == TpmAlgorithm.Sha1 ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256;
                return new TpmWriter().UInt16(TpmAlgorithm.RsaSsa).UInt16(hash).Sized(rsa.SignHash(digest, name, RSASignaturePadding.Pkcs1)).ToArray();
            case ECDsa ecdsa:
                var pair = ecdsa.SignHash(digest);
                return new TpmWriter().UInt16(TpmAlgorithm.EcDsa).UInt16(hash).Sized(pair.AsSpan(0, 32)).Sized(pair.AsSpan(32)).ToArray();
            default:
                throw new InvalidOperationException("The key is neither RSA nor ECDSA.");
        }
    }

    private static byte[] Area(AsymmetricAlgorithm algorithm, uint attributes)
    {
        var area = new TpmWriter()
            .UInt16(algorithm is RSA ? TpmAlgorithm.Rsa : TpmAlgorithm.Ecc)
            .UInt16(TpmAlgorithm.Sha256)
            .UInt32(attributes)
            .Sized([])
            .UInt16(TpmAlgorithm.Null);
        if (algorithm is RSA rsa)
        {
            area.UInt16(TpmAlgorithm.RsaSsa).UInt16(TpmAlgorithm.Sha256).UInt16(2048).UInt32(0).Sized(rsa.ExportParameters(false).Modulus);
        }
        else
        {
            var point = ((ECDsa)algorithm).ExportParameters(false).Q;
            area.UInt16(TpmAlgorithm.EcDsa).UInt16(TpmAlgorithm.Sha256).UInt16(CurveP256).UInt16(TpmAlgorithm.Null).Sized(point.X).Sized(point.Y);
        }

        return area.ToArray();
    }
}

/// <summary>The pool all simulated TPMs draw from. A key is made when first needed and kept in the simulation's file.</summary>
/// <param name="state">The simulated world, whose file keeps the keys.</param>
internal sealed class AttestationKeys(SimulationState state)
{
    /// <summary>Keys in the pool; even ones are RSA, odd ones ECDSA.</summary>
    public const int Size = 64;

    private readonly Lazy<AttestationKey>[] keys = [.. Enumerable.Range(0, Size).Select(index => new Lazy<AttestationKey>(() => Load(state, index)))];
    private readonly Lazy<AttestationKey> ordinary = new(AttestationKey.GenerateOrdinary);

    /// <summary>A key outside any TPM, for faults.</summary>
    public AttestationKey Ordinary => ordinary.Value;

    /// <summary>The key, made off the caller's thread if it has to be.</summary>
    public ValueTask<AttestationKey> GetAsync(int index, CancellationToken ct) => keys[index].IsValueCreated
        ? ValueTask.FromResult(keys[index].Value)
        : new ValueTask<AttestationKey>(Task.Run(() => keys[index].Value, ct));

    private static AttestationKey Load(SimulationState state, int index)
    {
        var ecc = index % 2 == 1;
        if (state.File.Key(index) is { } pkcs8)
        {
            return AttestationKey.Read(ecc, pkcs8);
        }

        var key = AttestationKey.Generate(ecc);
        state.File.AddKey(index, key.ToPkcs8());
        return key;
    }
}
