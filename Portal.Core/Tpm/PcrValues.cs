using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Portal.Core.Tpm;

/// <summary>Values of some PCRs of one bank. Immutable.</summary>
public sealed class PcrBank
{
    private readonly byte[] _values;

    private PcrBank(TpmAlgorithm algorithm, uint mask, byte[] values)
    {
        Algorithm = algorithm;
        DigestSize = algorithm.DigestSize();
        Mask = mask;
        _values = values;
    }

    /// <summary>The bank's hash.</summary>
    public TpmAlgorithm Algorithm { get; }

    /// <summary>Length of every value, in bytes.</summary>
    public int DigestSize { get; }

    /// <summary>Which PCRs have a value; bit n stands for PCR n.</summary>
    public uint Mask { get; }

    /// <summary>How many PCRs have a value.</summary>
    public int Count => BitOperations.PopCount(Mask);

    /// <summary>The PCRs that have a value, in rising order.</summary>
    public IEnumerable<int> Pcrs => PcrMask.Numbers(Mask);

    /// <summary>
    /// A bank from values by PCR number. Refused: a bank of unknown digest size, a number outside 0 to 23, a value of
    /// another length than the bank's digests, one PCR twice.
    /// </summary>
    /// <param name="algorithm">The bank's hash.</param>
    /// <param name="values">PCR number and value.</param>
    public static TpmResult<PcrBank> Create(TpmAlgorithm algorithm, IEnumerable<KeyValuePair<int, ReadOnlyMemory<byte>>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var size = algorithm.DigestSize();
        if (size == 0)
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"{algorithm.DisplayName()} is no known PCR bank.");
        var all = new byte[PcrMask.PcrCount * size];
        uint mask = 0;
        foreach (var (pcr, value) in values)
        {
            if (pcr is < 0 or >= PcrMask.PcrCount)
                return TpmRefusal.Malformed($"There is no PCR {pcr}.");
            if (value.Length != size)
                return TpmRefusal.Malformed($"PCR {pcr} has {value.Length} bytes; bank {algorithm.DisplayName()} has {size}.");
            if (PcrMask.Has(mask, pcr))
                return TpmRefusal.Malformed($"PCR {pcr} is given twice.");
            mask |= 1u << pcr;
            value.Span.CopyTo(all.AsSpan(pcr * size));
        }
        return new PcrBank(algorithm, mask, all);
    }

    /// <summary>Takes over a table of 24 values.</summary>
    internal static PcrBank FromTable(TpmAlgorithm algorithm, uint mask, byte[] values) => new(algorithm, mask, values);

    /// <summary>Whether a PCR has a value here.</summary>
    /// <param name="pcr">The PCR number.</param>
    public bool Contains(int pcr) => PcrMask.Has(Mask, pcr);

    /// <summary>The value of a PCR, and whether there is one.</summary>
    /// <param name="pcr">The PCR number.</param>
    /// <param name="value">The digest, or nothing.</param>
    public bool TryGet(int pcr, out ReadOnlySpan<byte> value)
    {
        if (!Contains(pcr))
        {
            value = default;
            return false;
        }
        value = _values.AsSpan(pcr * DigestSize, DigestSize);
        return true;
    }

    /// <summary>A copy of a PCR's value, or null when it has none.</summary>
    /// <param name="pcr">The PCR number.</param>
    public byte[]? Get(int pcr) => TryGet(pcr, out var value) ? value.ToArray() : null;
}

/// <summary>PCR values of one or more banks, each bank at most once. Immutable.</summary>
public sealed class PcrValues
{
    private PcrValues(ImmutableArray<PcrBank> banks) => Banks = banks;

    /// <summary>The banks in the order given.</summary>
    public ImmutableArray<PcrBank> Banks { get; }

    /// <summary>Values from banks; a bank given twice throws <see cref="ArgumentException"/>.</summary>
    /// <param name="banks">Each with a different hash.</param>
    public static PcrValues Of(params ReadOnlySpan<PcrBank> banks)
    {
        for (var i = 1; i < banks.Length; i++)
        {
            for (var earlier = 0; earlier < i; earlier++)
            {
                if (banks[earlier].Algorithm == banks[i].Algorithm)
                    throw new ArgumentException("One bank twice.", nameof(banks));
            }
        }
        return new([.. banks]);
    }

    /// <summary>
    /// Values that stand one after another in the order of a selection, without any header; what
    /// <c>tpm2_quote -F values</c> and <c>tpm2_pcrread -o</c> write. Refused when the length is not exactly the selection's.
    /// </summary>
    /// <param name="selection">The banks and PCRs, in order.</param>
    /// <param name="digests">The digests, joined.</param>
    public static TpmResult<PcrValues> FromConcatenated(PcrSelection selection, ReadOnlySpan<byte> digests)
    {
        ArgumentNullException.ThrowIfNull(selection);
        var reader = new TpmReader(digests);
        var banks = ImmutableArray.CreateBuilder<PcrBank>(selection.Banks.Length);
        foreach (var (algorithm, mask) in selection.Banks)
        {
            var size = algorithm.DigestSize();
            if (size == 0)
                return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"{algorithm.DisplayName()} is no known PCR bank.");
            var table = new byte[PcrMask.PcrCount * size];
            for (var rest = mask; rest != 0; rest &= rest - 1)
                reader.Take(size).CopyTo(table.AsSpan(BitOperations.TrailingZeroCount(rest) * size));
            if (reader.Failed)
                return TpmRefusal.Truncated("list of PCR values");
            banks.Add(PcrBank.FromTable(algorithm, mask, table));
        }
        return reader.AtEnd ? new PcrValues(banks.MoveToImmutable()) : TpmRefusal.Trailing("list of PCR values", reader.Remaining);
    }

    /// <summary>The values of a bank, or null.</summary>
    /// <param name="algorithm">The bank's hash.</param>
    public PcrBank? Bank(TpmAlgorithm algorithm)
    {
        foreach (var bank in Banks)
        {
            if (bank.Algorithm == algorithm)
                return bank;
        }
        return null;
    }

    /// <summary>The value of a PCR of a bank, and whether there is one.</summary>
    /// <param name="algorithm">The bank's hash.</param>
    /// <param name="pcr">The PCR number.</param>
    /// <param name="value">The digest, or nothing.</param>
    [SuppressMessage("Design", "CA1021", Justification = "The Try pattern.")]
    public bool TryGet(TpmAlgorithm algorithm, int pcr, out ReadOnlySpan<byte> value)
    {
        value = default;
        return Bank(algorithm)?.TryGet(pcr, out value) ?? false;
    }
}
