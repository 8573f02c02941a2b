using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>Bytes that look random and are the same on every machine and at every start.</summary>
internal static class Seeded
{
    /// <summary>As many bytes as asked for, from a text.</summary>
    public static byte[] Bytes(string seed, int count)
    {
        var bytes = new byte[count];
        var input = new byte[Encoding.UTF8.GetByteCount(seed) + 4];
        Encoding.UTF8.GetBytes(seed, input.AsSpan(4));
        for (int at = 0, block = 0; at < count; at += 32, block++)
        {
            BinaryPrimitives.WriteInt32BigEndian(input, block);
            SHA256.HashData(input).AsSpan(0, Math.Min(32, count - at)).CopyTo(bytes.AsSpan(at));
        }

        return bytes;
    }

    /// <summary>A version 8 UUID from a text.</summary>
    public static Guid Guid(string seed)
    {
        var bytes = Bytes(seed, 16);
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x80);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }
}
