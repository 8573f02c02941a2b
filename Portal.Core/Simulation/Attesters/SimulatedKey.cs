using System.Security.Cryptography;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation.Attesters;

/// <summary>A signing key as a TPM holds it: RSA-2048 with RSASSA or ECDSA on P-256, SHA-256. Safe for several threads.</summary>
internal sealed class SimulatedKey
{
    /// <summary>fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.</summary>
    private const uint RestrictedSigning = 0x0005_0072;

    /// <summary>The same without restricted: a key that signs whatever it is given.</summary>
    private const uint OrdinarySigning = 0x0004_0072;

    private const ushort CurveP256 = 0x0003;

    private readonly Lock turn = new();
    private readonly AsymmetricAlgorithm algorithm;

    private SimulatedKey(AsymmetricAlgorithm algorithm, uint attributes)
    {
        this.algorithm = algorithm;
        PublicArea = Area(algorithm, attributes);
        Name = StructureWriter.BigEndian().UInt16(TcgAlgorithm.Sha256).Bytes(SHA256.HashData(PublicArea)).ToArray();
    }

    /// <summary>TPMT_PUBLIC.</summary>
    public byte[] PublicArea { get; }

    /// <summary>The TPM's name of the key: hash algorithm and hash of the public area.</summary>
    public byte[] Name { get; }

    public static SimulatedKey Generate(bool ecc) => ecc
        ? new SimulatedKey(ECDsa.Create(ECCurve.NamedCurves.nistP256), RestrictedSigning)
        : new SimulatedKey(RSA.Create(2048), RestrictedSigning);

    /// <summary>A key such as root of a host could make to sign forged attestations with.</summary>
    public static SimulatedKey GenerateOrdinary() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), OrdinarySigning);

    public static SimulatedKey Read(bool ecc, byte[] pkcs8)
    {
        AsymmetricAlgorithm key = ecc ? ECDsa.Create() : RSA.Create();
        key.ImportPkcs8PrivateKey(pkcs8, out _);
        return new SimulatedKey(key, RestrictedSigning);
    }

    public byte[] ToPkcs8() => algorithm.ExportPkcs8PrivateKey();

    /// <summary>TPMT_SIGNATURE over a message.</summary>
    public byte[] Sign(byte[] message, ushort hash)
    {
        var digest = TcgAlgorithm.Hash(hash, message);
        using var mine = turn.EnterScope();
        switch (algorithm)
        {
            case RSA rsa:
                var name = hash == TcgAlgorithm.Sha1 ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256;
                return StructureWriter.BigEndian().UInt16(TcgAlgorithm.RsaSsa).UInt16(hash).Sized(rsa.SignHash(digest, name, RSASignaturePadding.Pkcs1)).ToArray();
            case ECDsa ecdsa:
                var pair = ecdsa.SignHash(digest);
                return StructureWriter.BigEndian().UInt16(TcgAlgorithm.EcDsa).UInt16(hash).Sized(pair.AsSpan(0, 32)).Sized(pair.AsSpan(32)).ToArray();
            default:
                throw new InvalidOperationException("The key is neither RSA nor ECDSA.");
        }
    }

    private static byte[] Area(AsymmetricAlgorithm algorithm, uint attributes)
    {
        var area = StructureWriter.BigEndian()
            .UInt16(algorithm is RSA ? TcgAlgorithm.Rsa : TcgAlgorithm.Ecc)
            .UInt16(TcgAlgorithm.Sha256)
            .UInt32(attributes)
            .Sized([])
            .UInt16(TcgAlgorithm.Null);
        if (algorithm is RSA rsa)
        {
            area.UInt16(TcgAlgorithm.RsaSsa).UInt16(TcgAlgorithm.Sha256).UInt16(2048).UInt32(0).Sized(rsa.ExportParameters(false).Modulus);
        }
        else
        {
            var point = ((ECDsa)algorithm).ExportParameters(false).Q;
            area.UInt16(TcgAlgorithm.EcDsa).UInt16(TcgAlgorithm.Sha256).UInt16(CurveP256).UInt16(TcgAlgorithm.Null).Sized(point.X).Sized(point.Y);
        }

        return area.ToArray();
    }
}

/// <summary>The pool all simulated TPMs draw from. A key is made when first needed and kept in the simulation's file.</summary>
/// <param name="state">The simulated world, whose file keeps the keys.</param>
internal sealed class SimulatedKeys(SimulationState state)
{
    /// <summary>Keys in the pool; even ones are RSA, odd ones ECDSA.</summary>
    public const int Size = 64;

    private readonly Lazy<SimulatedKey>[] keys = [.. Enumerable.Range(0, Size).Select(index => new Lazy<SimulatedKey>(() => Load(state, index)))];
    private readonly Lazy<SimulatedKey> ordinary = new(SimulatedKey.GenerateOrdinary);

    /// <summary>A key outside any TPM, for faults.</summary>
    public SimulatedKey Ordinary => ordinary.Value;

    /// <summary>The key, made off the caller's thread if it has to be.</summary>
    public ValueTask<SimulatedKey> GetAsync(int index, CancellationToken ct) => keys[index].IsValueCreated
        ? ValueTask.FromResult(keys[index].Value)
        : new ValueTask<SimulatedKey>(Task.Run(() => keys[index].Value, ct));

    private static SimulatedKey Load(SimulationState state, int index)
    {
        var ecc = index % 2 == 1;
        if (state.File.Key(index) is { } pkcs8)
        {
            return SimulatedKey.Read(ecc, pkcs8);
        }

        var key = SimulatedKey.Generate(ecc);
        state.File.AddKey(index, key.ToPkcs8());
        return key;
    }
}
