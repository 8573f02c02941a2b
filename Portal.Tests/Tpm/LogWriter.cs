using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>Writes crypto-agile boot logs for tests.</summary>
internal sealed class LogWriter(params TpmAlgorithm[] banks)
{
    private readonly MemoryStream _events = new();

    /// <summary>Adds an event whose digests are those of its data, in all banks or in the given ones.</summary>
    public LogWriter Measure(int pcr, EventType type, byte[] data, params TpmAlgorithm[] inBanks) => Measure(pcr, type, data, data, inBanks);

    /// <summary>Adds an event whose digests are those of <paramref name="measured"/>.</summary>
    public LogWriter Measure(int pcr, EventType type, byte[] data, byte[] measured, params TpmAlgorithm[] inBanks)
    {
        var used = inBanks.Length == 0 ? banks : inBanks;
        using var writer = new BinaryWriter(_events, System.Text.Encoding.UTF8, leaveOpen: true);
        writer.Write(pcr);
        writer.Write((uint)type);
        writer.Write(used.Length);
        foreach (var bank in used)
        {
            var digest = new byte[bank.DigestSize()];
            TpmHash.Compute(bank, measured, digest);
            writer.Write((ushort)bank);
            writer.Write(digest);
        }
        writer.Write(data.Length);
        writer.Write(data);
        return this;
    }

    public byte[] Events() => _events.ToArray();

    public byte[] Bytes()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(0);
        writer.Write((uint)EventType.NoAction);
        writer.Write(new byte[20]);
        writer.Write(28 + 4 * banks.Length + 1);
        writer.Write("Spec ID Event03\0"u8);
        writer.Write(0);
        writer.Write([0, 2, 0, 2]);
        writer.Write(banks.Length);
        foreach (var bank in banks)
        {
            writer.Write((ushort)bank);
            writer.Write((ushort)bank.DigestSize());
        }
        writer.Write((byte)0);
        writer.Write(_events.ToArray());
        return stream.ToArray();
    }

    public EventLog Parse() => EventLog.Parse(Bytes()).Value;
}
