namespace Portal.Core.Tpm;

/// <summary>How far a host's list was found in its PCR 10; what the next check goes on from. Kept by us, never taken from a host.</summary>
/// <param name="ResetCount">The boot it holds for.</param>
/// <param name="RestartCount">The resume of that boot it holds for.</param>
/// <param name="Bank">The bank it was found in.</param>
/// <param name="Position">How many entries of the host's list were found.</param>
/// <param name="Pcr">The value of PCR 10 after them.</param>
public sealed record ImaState(uint ResetCount, uint RestartCount, TpmAlgorithm Bank, int Position, ReadOnlyMemory<byte> Pcr);

/// <summary>Entries of a list that a quote vouches for. Those behind them are not: they were measured later, or made up.</summary>
/// <param name="List">The list.</param>
/// <param name="From">Index in the list of the first entry found now.</param>
/// <param name="Count">How many were found now; none when nothing was measured since.</param>
/// <param name="State">What the next check goes on from.</param>
/// <param name="BootAggregate">The boot aggregate the quote leads to; null when it lacks PCRs for it, so that the list is not tied to what firmware measured.</param>
public sealed record ImaVerified(ImaList List, int From, int Count, ImaState State, ReadOnlyMemory<byte>? BootAggregate)
{
    /// <summary>Position in the host's whole list of the first entry found now.</summary>
    public int Position => State.Position - Count;
}

/// <summary>Finds a measurement list in a quoted PCR 10. Source: Linux kernel documentation, IMA; TPM 2.0 Library Part 1, "Extend of a PCR".</summary>
public static class ImaReplay
{
    /// <summary>
    /// Replays entries until PCR 10 has the quoted value. Digests are computed from what each entry says, by the bank's own hash, as kernels
    /// do since 5.8. Within one boot it goes on from <paramref name="known"/>; in another it starts over. Refused: a weak bank, PCR 10 not
    /// quoted, a list that starts behind the place to go on from, an entry whose digest is not that of its data, a first entry that is not
    /// the boot aggregate of the quoted PCRs, an empty PCR 10, and a list that never reaches the quoted value.
    /// </summary>
    /// <param name="list">What the host sent.</param>
    /// <param name="first">Position in the host's whole list of the first entry sent.</param>
    /// <param name="quote">The verified quote, taken before the list was read.</param>
    /// <param name="bank">The bank to replay, SHA-256 or stronger.</param>
    /// <param name="known">What an earlier check found, or null.</param>
    public static TpmResult<ImaVerified> Verify(ImaList list, int first, VerifiedQuote quote, TpmAlgorithm bank, ImaState? known = null)
    {
        ArgumentNullException.ThrowIfNull(list);
        ArgumentNullException.ThrowIfNull(quote);
        if (!bank.IsTrustedHash())
            return new TpmRefusal(TpmRefusalCode.WeakHash, $"Bank {bank.DisplayName()} is too weak for trust; SHA-256 or stronger is needed.");
        if (!quote.Values.TryGet(bank, ImaList.Pcr, out var quoted))
            return new TpmRefusal(TpmRefusalCode.SelectionLacksPcr, $"The quote does not cover PCR {ImaList.Pcr} of bank {bank.DisplayName()}.");

        // An empty register would be "found" before the first entry, and a kernel that measures nothing must not look verified.
        if (!quoted.ContainsAnyExcept((byte)0))
            return new TpmRefusal(TpmRefusalCode.ListNotReplayed, $"PCR {ImaList.Pcr} is empty: the kernel measures nothing.");

        var start = Goes(known, quote.Attest, bank) ? known! : Beginning(quote.Attest, bank);
        if (first < 0 || first > start.Position)
        {
            return new TpmRefusal(TpmRefusalCode.ListGap,
                $"The measurement list starts at entry {first}; entry {start.Position} is needed.");
        }
        var from = Math.Min(start.Position - first, list.Count);
        var aggregate = list.Count > 0 && start.Position == 0 ? BootAggregate.Of(list[0].DigestAlgorithm, quote.Values) : BootAggregate.Of(bank, quote.Values);
        if (start.Position == 0 && list.Count > 0 && CheckFirst(list[0], aggregate) is { } refusal)
            return refusal;
        return Replay(list, from, quoted, start).TryGet(out var state, out refusal)
            ? new ImaVerified(list, from, state.Position - start.Position, state, aggregate is null ? default(ReadOnlyMemory<byte>?) : aggregate)
            : refusal;
    }

    private static TpmResult<ImaState> Replay(ImaList list, int from, ReadOnlySpan<byte> quoted, ImaState start)
    {
        var value = start.Pcr.ToArray();
        var position = start.Position;
        Span<byte> digest = stackalloc byte[TpmHash.MaxDigestSize];
        for (var index = from; !quoted.SequenceEqual(value); index++, position++)
        {
            if (index == list.Count)
            {
                return new TpmRefusal(TpmRefusalCode.ListNotReplayed,
                    $"None of {list.Count} entries of the measurement list leads to the quoted PCR {ImaList.Pcr}: entries were removed, added, changed or reordered.");
            }
            var entry = list[index];
            if (!entry.HasItsDigest())
            {
                return new TpmRefusal(TpmRefusalCode.TemplateDigestMismatch,
                    $"Entry {position} of the measurement list has a digest that is not that of its data.");
            }
            var size = entry.Measure(start.Bank, digest);
            TpmHash.TryExtend(start.Bank, value, digest[..size]);
        }
        return start with { Position = position, Pcr = value };
    }

    private static TpmRefusal? CheckFirst(ImaEntry entry, byte[]? aggregate)
    {
        if (entry.Template is ImaTemplate.Other or ImaTemplate.ImaBuf || entry.IsViolation || !entry.IsBootAggregate)
            return new(TpmRefusalCode.BootAggregateMismatch, "The measurement list does not begin with the boot aggregate.");
        return aggregate is null || entry.Digest.Span.SequenceEqual(aggregate)
            ? null
            : new(TpmRefusalCode.BootAggregateMismatch, "The boot aggregate of the measurement list is not that of the quoted PCRs: the list belongs to another boot.");
    }

    private static bool Goes(ImaState? known, TpmsAttest quote, TpmAlgorithm bank) =>
        known is not null && known.Bank == bank && known.ResetCount == quote.ResetCount && known.RestartCount == quote.RestartCount;

    private static ImaState Beginning(TpmsAttest quote, TpmAlgorithm bank) =>
        new(quote.ResetCount, quote.RestartCount, bank, 0, new byte[bank.DigestSize()]);
}
