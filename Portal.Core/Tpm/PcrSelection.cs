using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;

namespace Portal.Core.Tpm;

/// <summary>The PCRs of one bank.</summary>
/// <param name="Bank">The bank's hash.</param>
/// <param name="Mask">Bit n stands for PCR n; only bits 0 to 23 are used.</param>
public readonly record struct PcrBankSelection(TpmAlgorithm Bank, uint Mask)
{
    /// <summary>The PCR numbers in rising order.</summary>
    public IEnumerable<int> Pcrs => PcrMask.Numbers(Mask);
}

/// <summary>
/// Which PCRs of which banks, in the order a quote hashes them.
/// Source: TPM 2.0 Library Part 2, "TPML_PCR_SELECTION" and "TPMS_PCR_SELECTION".
/// </summary>
public sealed class PcrSelection : IEquatable<PcrSelection>
{
    /// <summary>Most banks a selection may name. Source: TPM 2.0 Library Part 4, HASH_COUNT of real implementations.</summary>
    public const int MaxBanks = 16;

    private PcrSelection(ImmutableArray<PcrBankSelection> banks) => Banks = banks;

    /// <summary>No PCR at all.</summary>
    public static PcrSelection Empty { get; } = new([]);

    /// <summary>The banks in order, each at most once.</summary>
    public ImmutableArray<PcrBankSelection> Banks { get; }

    /// <summary>How many PCRs are selected over all banks.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var bank in Banks)
                count += BitOperations.PopCount(bank.Mask);
            return count;
        }
    }

    /// <summary>A selection of one bank.</summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="pcrs">PCR numbers, 0 to 23, in any order; others throw <see cref="ArgumentOutOfRangeException"/>.</param>
    public static PcrSelection Of(TpmAlgorithm bank, params ReadOnlySpan<int> pcrs) => Empty.With(bank, pcrs);

    /// <summary>This selection with PCRs of a bank added; a bank not yet named comes last.</summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="pcrs">PCR numbers, 0 to 23, in any order; others throw <see cref="ArgumentOutOfRangeException"/>.</param>
    public PcrSelection With(TpmAlgorithm bank, params ReadOnlySpan<int> pcrs)
    {
        var mask = PcrMask.Of(pcrs);
        for (var i = 0; i < Banks.Length; i++)
        {
            if (Banks[i].Bank == bank)
                return new(Banks.SetItem(i, new(bank, Banks[i].Mask | mask)));
        }
        return new(Banks.Add(new(bank, mask)));
    }

    /// <summary>The selected PCRs of a bank as bits 0 to 23; 0 when the bank is not named.</summary>
    /// <param name="bank">The bank's hash.</param>
    public uint MaskOf(TpmAlgorithm bank)
    {
        foreach (var selected in Banks)
        {
            if (selected.Bank == bank)
                return selected.Mask;
        }
        return 0;
    }

    /// <summary>Whether a PCR of a bank is selected.</summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="pcr">The PCR number.</param>
    public bool Contains(TpmAlgorithm bank, int pcr) => PcrMask.Has(MaskOf(bank), pcr);

    /// <summary>Reads a selection list on its own; trailing bytes are refused.</summary>
    /// <param name="bytes">A TPML_PCR_SELECTION, big-endian.</param>
    public static TpmResult<PcrSelection> Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new TpmReader(bytes);
        var parsed = Read(ref reader);
        return parsed.IsAccepted && reader.Remaining > 0 ? TpmRefusal.Trailing("PCR selection", reader.Remaining) : parsed;
    }

    internal static TpmResult<PcrSelection> Read(ref TpmReader reader)
    {
        var count = reader.U32();
        if (reader.Failed)
            return TpmRefusal.Truncated("PCR selection");
        if (count > MaxBanks)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"A PCR selection names {count} banks; at most {MaxBanks} are possible.");
        var banks = new PcrBankSelection[count];
        for (var i = 0; i < banks.Length; i++)
        {
            var bank = reader.Algorithm();
            var size = reader.U8();
            var bitmap = reader.Take(size);
            if (reader.Failed)
                return TpmRefusal.Truncated("PCR selection");
            if (!PcrMask.TryRead(bitmap, out var mask))
                return TpmRefusal.Malformed($"A PCR selection names a PCR above {PcrMask.PcrCount - 1}.");
            for (var earlier = 0; earlier < i; earlier++)
            {
                if (banks[earlier].Bank == bank)
                    return TpmRefusal.Malformed("A PCR selection names one bank twice.");
            }
            banks[i] = new(bank, mask);
        }
        return FromBanks(banks);
    }

    /// <summary>Takes the array over; the caller has made sure that no bank is named twice.</summary>
    internal static PcrSelection FromBanks(PcrBankSelection[] banks) =>
        new(System.Runtime.InteropServices.ImmutableCollectionsMarshal.AsImmutableArray(banks));

    /// <inheritdoc/>
    public bool Equals(PcrSelection? other) => other is not null && Banks.AsSpan().SequenceEqual(other.Banks.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PcrSelection);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var bank in Banks)
            hash.Add(bank);
        return hash.ToHashCode();
    }

    /// <summary>As tpm2-tools write it: <c>sha1:0,1+sha256:0,7</c>.</summary>
    public override string ToString() =>
        string.Join('+', Banks.Select(bank => string.Create(CultureInfo.InvariantCulture,
            $"{bank.Bank.DisplayName()}:{string.Join(',', bank.Pcrs)}")));
}

/// <summary>PCR numbers as bits.</summary>
internal static class PcrMask
{
    /// <summary>PCRs of a PC Client TPM. Source: TCG PC Client Platform TPM Profile, "PCR Requirements".</summary>
    public const int PcrCount = 24;

    public static bool Has(uint mask, int pcr) => pcr is >= 0 and < PcrCount && (mask >> pcr & 1) != 0;

    public static uint Of(ReadOnlySpan<int> pcrs)
    {
        uint mask = 0;
        foreach (var pcr in pcrs)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(pcr, nameof(pcrs));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(pcr, PcrCount, nameof(pcrs));
            mask |= 1u << pcr;
        }
        return mask;
    }

    /// <summary>A bitmap with the lowest PCR in the lowest bit of the first byte; false when a PCR above 23 is set.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bitmap, out uint mask)
    {
        mask = 0;
        for (var i = 0; i < bitmap.Length; i++)
        {
            if (i < PcrCount / 8)
                mask |= (uint)bitmap[i] << (8 * i);
            else if (bitmap[i] != 0)
                return false;
        }
        return true;
    }

    public static IEnumerable<int> Numbers(uint mask)
    {
        for (; mask != 0; mask &= mask - 1)
            yield return BitOperations.TrailingZeroCount(mask);
    }
}
