using System.Collections.Immutable;
using System.Security.Cryptography;
using Portal.Core.Attestation;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation.Attesters;

/// <summary>How each fault changes what a host would honestly answer.</summary>
internal static class Faults
{
    private const int Huge = 64 << 20;

    private static readonly byte[] NonceOfNobody = "00000000000000000000000000000000"u8.ToArray();

    /// <summary>Changes the quote before it is signed.</summary>
    /// <param name="fault">Which fault.</param>
    /// <param name="honest">What would be quoted.</param>
    /// <param name="last">What was quoted last, if anything was.</param>
    /// <param name="anothers">The key of another host.</param>
    /// <param name="ordinary">A key outside any TPM.</param>
    public static QuotePlan Plan(Fault fault, QuotePlan honest, QuotePlan? last, SimulatedKey anothers, SimulatedKey ordinary) => fault switch
    {
        Fault.Replay => last ?? honest with { Nonce = NonceOfNobody },
        Fault.QuoteOfAnotherHost => honest with { Key = anothers },
        Fault.UnrestrictedKey => honest with { Key = ordinary },
        Fault.WeakSignature => honest with { Hash = TcgAlgorithm.Sha1 },
        Fault.MissingPcr => honest with { Pcrs = [.. honest.Pcrs.SkipLast(1)] },
        Fault.ClockWentBack => honest with { Moment = honest.Moment with { Clock = 1 } },
        Fault.BootEventAbsent or Fault.BootEventExtra or Fault.BootEventsReordered or Fault.BankUnmeasured =>
            honest with { Image = BootImage.Of(Changed(fault, honest.Image.Events), honest.Image.Platform, honest.Image.Files) },
        _ => honest,
    };

    /// <summary>Changes the evidence after it is signed.</summary>
    public static Evidence Spoil(Fault fault, QuotePlan plan, Evidence signed) => fault switch
    {
        Fault.Garbage => signed with
        {
            Quote = RandomNumberGenerator.GetBytes(signed.Quote.Length),
            Signature = RandomNumberGenerator.GetBytes(signed.Signature.Length),
            EventLog = signed.EventLog is null ? null : RandomNumberGenerator.GetBytes(signed.EventLog.Length),
        },
        Fault.TruncatedQuote => signed with { Quote = signed.Quote[..(signed.Quote.Length / 2)] },
        Fault.QuoteBitFlip => signed with { Quote = Flipped(signed.Quote, signed.Quote.Length - 1) },
        Fault.SignatureBitFlip => signed with { Signature = Flipped(signed.Signature, signed.Signature.Length - 1) },
        Fault.WrongBank => SimulatedTpm.Sign(plan with { Bank = TcgAlgorithm.Sha1 }, plan.Pcrs.ToDictionary(pcr => pcr, _ => new byte[20]), signed.EventLog),
        Fault.PcrValueAltered => signed with { Pcrs = Altered(signed.Pcrs) },
        _ => signed.EventLog is { } log ? signed with { EventLog = Log(fault, plan.Image, log) } : signed,
    };

    private static byte[]? Log(Fault fault, BootImage image, byte[] log) => fault switch
    {
        Fault.LogAbsent => null,
        Fault.LogDigestAltered => image.LogOf(image.Events.SetItem(Grub(image.Events), image.Events[Grub(image.Events)] with { Measured = BootEvent.Content("altered") })),
        Fault.LogEventAbsent => image.LogOf(Changed(Fault.BootEventAbsent, image.Events)),
        Fault.LogEventExtra => image.LogOf(Changed(Fault.BootEventExtra, image.Events)),
        Fault.LogEventsReordered => image.LogOf(Changed(Fault.BootEventsReordered, image.Events)),
        Fault.LogTruncated => log[..^7],
        Fault.LogLengthAbsurd => AbsurdLength(log, image),
        Fault.LogHuge => [.. log, .. new byte[Huge - log.Length]],
        _ => log,
    };

    private static ImmutableArray<BootEvent> Changed(Fault fault, ImmutableArray<BootEvent> events)
    {
        var (shim, grub) = (Shim(events), Grub(events));
        return fault switch
        {
            Fault.BootEventAbsent => events.RemoveAt(shim),
            Fault.BootEventExtra => events.Insert(grub + 1, events[grub] with { Measured = BootEvent.Content("implant"), Label = "implant" }),
            Fault.BootEventsReordered => events.SetItem(shim, events[grub]).SetItem(grub, events[shim]),
            Fault.BankUnmeasured => events.RemoveAll(e => e.Type == TcgEventType.Separator),
            _ => events,
        };
    }

    private static int Shim(ImmutableArray<BootEvent> events) => Application(events, 0);

    private static int Grub(ImmutableArray<BootEvent> events) => Application(events, 1);

    private static int Application(ImmutableArray<BootEvent> events, int which) =>
        Enumerable.Range(0, events.Length).Where(i => events[i].Type == TcgEventType.BootServicesApplication).ElementAt(which);

    private static byte[] AbsurdLength(byte[] log, BootImage image)
    {
        var altered = log.ToArray();
        altered.AsSpan(altered.Length - image.Events[^1].Data.Length - sizeof(uint), sizeof(uint)).Fill(0xFF);
        return altered;
    }

    private static Dictionary<int, byte[]> Altered(IReadOnlyDictionary<int, byte[]> pcrs)
    {
        var altered = pcrs.ToDictionary();
        var first = altered.Keys.Min();
        altered[first] = Flipped(altered[first], 0);
        return altered;
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        var flipped = bytes.ToArray();
        flipped[at] ^= 1;
        return flipped;
    }
}
