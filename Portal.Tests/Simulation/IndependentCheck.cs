using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Portal.Tests.Simulation;

/// <summary>Reads quotes and logs with nothing but this file: neither the simulation's writers nor the portal's parsers.</summary>
internal static class IndependentCheck
{
    public sealed record Quoted(string Nonce, ulong Clock, uint Resets, uint Restarts, ushort Bank, IReadOnlyList<int> Pcrs, byte[] Digest);

    public sealed record Logged(int Pcr, uint Type, IReadOnlyDictionary<ushort, byte[]> Digests, byte[] Data);

    public static Quoted Read(byte[] quote)
    {
        var at = 0;
        Assert.Equal(0xFF544347u, U32());
        Assert.Equal(0x8018, U16());
        Assert.Equal(34, Sized().Length);
        var nonce = Encoding.ASCII.GetString(Sized());
        var (clock, resets, restarts) = (U64(), U32(), U32());
        Assert.Equal(1, quote[at++]);
        U64();
        Assert.Equal(1u, U32());
        var bank = (ushort)U16();
        var bitmap = quote[(at + 1)..(at += 1 + quote[at])];
        var pcrs = Enumerable.Range(0, bitmap.Length * 8).Where(i => (bitmap[i / 8] >> (i % 8) & 1) == 1).ToArray();
        var digest = Sized();
        Assert.Equal(quote.Length, at);
        return new Quoted(nonce, clock, resets, restarts, bank, pcrs, digest);

        int U16() => BinaryPrimitives.ReadUInt16BigEndian(quote.AsSpan((at += 2) - 2));
        uint U32() => BinaryPrimitives.ReadUInt32BigEndian(quote.AsSpan((at += 4) - 4));
        ulong U64() => BinaryPrimitives.ReadUInt64BigEndian(quote.AsSpan((at += 8) - 8));
        byte[] Sized()
        {
            var size = U16();
            return quote[at..(at += size)];
        }
    }

    public static bool Signed(byte[] key, byte[] message, byte[] signature)
    {
        var isRsa = key[1] == 1;
        Assert.Equal(isRsa ? 0x0014 : 0x0018, BinaryPrimitives.ReadUInt16BigEndian(signature));
        Assert.Equal(0x000B, BinaryPrimitives.ReadUInt16BigEndian(signature.AsSpan(2)));
        if (isRsa)
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = key[^256..], Exponent = [1, 0, 1] });
            return rsa.VerifyData(message, signature[6..], HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        }

        using var ecdsa = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = key[^66..^34], Y = key[^32..] } });
        return ecdsa.VerifyData(message, (byte[])[.. signature[6..38], .. signature[40..72]], HashAlgorithmName.SHA256);
    }

    public static byte[] Digest(IReadOnlyDictionary<int, byte[]> pcrs) =>
        SHA256.HashData(pcrs.OrderBy(p => p.Key).SelectMany(p => p.Value).ToArray());

    public static IReadOnlyList<Logged> Events(byte[] log)
    {
        var headerSize = BinaryPrimitives.ReadInt32LittleEndian(log.AsSpan(28));
        Assert.Equal("Spec ID Event03\0", Encoding.ASCII.GetString(log, 32, 16));
        var at = 32 + headerSize;
        var events = new List<Logged>();
        while (at < log.Length)
        {
            var (pcr, type, count) = (U32(), U32(), U32());
            var digests = new Dictionary<ushort, byte[]>();
            for (var i = 0; i < count; i++)
            {
                var bank = BinaryPrimitives.ReadUInt16LittleEndian(log.AsSpan((at += 2) - 2));
                digests[bank] = log[at..(at += bank == 0x000B ? 32 : 48)];
            }

            var size = (int)U32();
            events.Add(new Logged((int)pcr, type, digests, log[at..(at += size)]));
        }

        return events;

        uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(log.AsSpan((at += 4) - 4));
    }

    public static Dictionary<int, byte[]> Replay(IEnumerable<Logged> events, ushort bank)
    {
        var size = bank == 0x000B ? 32 : 48;
        var pcrs = Enumerable.Range(0, 16).ToDictionary(i => i, _ => new byte[size]);
        foreach (var e in events)
        {
            if (e.Type != 3)
            {
                byte[] both = [.. pcrs[e.Pcr], .. e.Digests[bank]];
                pcrs[e.Pcr] = bank == 0x000B ? SHA256.HashData(both) : SHA384.HashData(both);
            }
            else if (Encoding.ASCII.GetString(e.Data).StartsWith("StartupLocality\0", StringComparison.Ordinal))
            {
                pcrs[0][^1] = e.Data[16];
            }
        }

        return pcrs;
    }

    public static bool Replays(byte[] log, ushort bank, IReadOnlyDictionary<int, byte[]> pcrs)
    {
        var replayed = Replay(Events(log), bank);
        return pcrs.All(p => replayed[p.Key].AsSpan().SequenceEqual(p.Value));
    }
}
