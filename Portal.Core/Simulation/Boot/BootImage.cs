using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>What a boot left behind: the event log and the PCRs it replays to. Immutable and shared by all hosts that booted the same.</summary>
public sealed class BootImage
{
    private const int PcrCount = 24;

    private readonly ImmutableDictionary<ushort, byte[][]> banks;
    private readonly Lazy<RuntimeImage> runtime;

    private BootImage(ImmutableArray<BootEvent> events, Platform platform, ImmutableArray<UsedFile> files)
    {
        Events = events;
        Platform = platform;
        Files = files;
        runtime = new Lazy<RuntimeImage>(() => RuntimeImage.Of(this));
        EventLog = Log(events, platform.Banks);
        banks = platform.Banks.ToImmutableDictionary(bank => bank, bank => Replay(events, bank, platform.StartupLocality));
    }

    /// <summary>The event log in the crypto-agile format, as the firmware hands it over.</summary>
    public byte[] EventLog { get; }

    /// <summary>How many events the log holds, not counting its header.</summary>
    public int EventCount => Events.Length;

    internal ImmutableArray<BootEvent> Events { get; }

    internal Platform Platform { get; }

    /// <summary>What the system uses once it runs.</summary>
    internal ImmutableArray<UsedFile> Files { get; }

    /// <summary>What the kernel measured once the system runs.</summary>
    internal RuntimeImage Runtime => runtime.Value;

    /// <summary>Boots a recipe.</summary>
    public static BootImage Of(BootRecipe recipe) => Of(
        [.. FirmwareEvents.BeforeBoot(recipe.Firmware), .. LoaderEvents.Of(recipe.Hypervisor), .. FirmwareEvents.ExitBootServices()],
        Platform.Of(recipe.Firmware.Model),
        SystemFiles.Of(recipe.Hypervisor));

    /// <summary>Value of a PCR when the kernel starts, or null when the bank is not allocated.</summary>
    public byte[]? Pcr(ushort bank, int index) => banks.TryGetValue(bank, out var pcrs) ? pcrs[index] : null;

    internal static BootImage Of(ImmutableArray<BootEvent> events, Platform platform, ImmutableArray<UsedFile> files) => new(events, platform, files);

    /// <summary>The log alone of other events: what a liar would send for this boot.</summary>
    internal byte[] LogOf(IEnumerable<BootEvent> others) => Log([.. others], Platform.Banks);

    private static byte[] Log(ImmutableArray<BootEvent> events, ImmutableArray<ushort> banks)
    {
        var log = StructureWriter.LittleEndian();
        Header(log, banks);
        foreach (var e in events)
        {
            log.UInt32((uint)e.Pcr).UInt32(e.Type).UInt32((uint)banks.Length);
            foreach (var bank in banks)
            {
                log.UInt16(bank).Bytes(e.IsExtended ? TcgAlgorithm.Hash(bank, e.Measured) : new byte[TcgAlgorithm.DigestSize(bank)]);
            }

            log.UInt32((uint)e.Data.Length).Bytes(e.Data);
        }

        return log.ToArray();
    }

    /// <summary>TCG_EfiSpecIDEvent in the old event format: names the banks and their digest sizes.</summary>
    private static void Header(StructureWriter log, ImmutableArray<ushort> banks)
    {
        var spec = StructureWriter.LittleEndian()
            .Bytes(Encoding.ASCII.GetBytes("Spec ID Event03\0"))
            .UInt32(0).Byte(0).Byte(2).Byte(105).Byte(2)
            .UInt32((uint)banks.Length);
        foreach (var bank in banks)
        {
            spec.UInt16(bank).UInt16((ushort)TcgAlgorithm.DigestSize(bank));
        }

        var bytes = spec.Byte(0).ToArray();
        log.UInt32(0).UInt32(TcgEventType.NoAction).Bytes(new byte[20]).UInt32((uint)bytes.Length).Bytes(bytes);
    }

    private static byte[][] Replay(ImmutableArray<BootEvent> events, ushort bank, byte startupLocality)
    {
        var size = TcgAlgorithm.DigestSize(bank);
        var pcrs = new byte[PcrCount][];
        for (var i = 0; i < PcrCount; i++)
        {
            pcrs[i] = new byte[size];
        }

        // Without a dynamic launch 17 to 22 stay as the TPM sets them at reset.
        foreach (var dynamic in pcrs.AsSpan(17..23))
        {
            dynamic.AsSpan().Fill(0xFF);
        }

        pcrs[0][^1] = startupLocality;
        foreach (var e in events.Where(e => e.IsExtended))
        {
            Extend(pcrs, e.Pcr, bank, TcgAlgorithm.Hash(bank, e.Measured));
        }

        return pcrs;
    }

    private static void Extend(byte[][] pcrs, int index, ushort bank, byte[] digest) =>
        pcrs[index] = TcgAlgorithm.Hash(bank, [.. pcrs[index], .. digest]);
}

/// <summary>Boots each recipe once, however many hosts boot it.</summary>
public sealed class BootImages
{
    private readonly ConcurrentDictionary<BootRecipe, Lazy<BootImage>> images = new();

    /// <summary>The image of a recipe; the same instance each time.</summary>
    public BootImage Of(BootRecipe recipe) => images.GetOrAdd(recipe, r => new Lazy<BootImage>(() => BootImage.Of(r))).Value;
}
