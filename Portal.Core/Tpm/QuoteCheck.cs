using System.Buffers;
using System.Numerics;

namespace Portal.Core.Tpm;

/// <summary>Remarks on a quote that verified; none of them makes it fail.</summary>
[Flags]
public enum QuoteNotes
{
    /// <summary>Nothing to remark.</summary>
    None = 0,

    /// <summary>The TPM lost power in disorder and cannot vouch that its clock never ran backwards.</summary>
    ClockNotSafe = 1,
}

/// <summary>A quote that verified, and the PCR values it vouches for.</summary>
/// <param name="Attest">What the TPM signed.</param>
/// <param name="Values">Values of exactly the PCRs the quote covers.</param>
public sealed record VerifiedQuote(TpmsAttest Attest, PcrValues Values)
{
    /// <summary>Remarks that do not fail it.</summary>
    public QuoteNotes Notes => Attest.Safe ? QuoteNotes.None : QuoteNotes.ClockNotSafe;
}

/// <summary>
/// The whole check of one quote: structure, nonce, signature, coverage and PCR digest.
/// Source: TPM 2.0 Library Part 3, "TPM2_Quote"; RFC 9683 section 3.
/// </summary>
public static class QuoteCheck
{
    /// <summary>
    /// Verifies a quote. The first failure is reported, in this order: quote and signature unreadable, nonce, SHA-1 signature, scheme,
    /// signature, a requested PCR not covered, a value missing, a value too many, digest, and last a requested bank too weak for trust:
    /// <see cref="TpmRefusalCode.WeakHash"/> for a bank therefore means that the cryptography held.
    /// </summary>
    /// <param name="key">The host's enrolled key.</param>
    /// <param name="attest">The TPMS_ATTEST.</param>
    /// <param name="signature">The TPMT_SIGNATURE over it.</param>
    /// <param name="expectedNonce">The nonce of this very request; an empty one is refused.</param>
    /// <param name="requested">What was asked for; nothing asked is refused. The quote may cover more.</param>
    /// <param name="values">A value for every PCR the quote covers, and no other.</param>
    public static TpmResult<VerifiedQuote> Verify(
        AttestationKey key,
        ReadOnlySpan<byte> attest,
        ReadOnlySpan<byte> signature,
        ReadOnlySpan<byte> expectedNonce,
        PcrSelection requested,
        PcrValues values)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(requested);
        ArgumentNullException.ThrowIfNull(values);

        if (!TpmsAttest.Parse(attest).TryGet(out var quote, out var refusal)
            || !TpmtSignature.Parse(signature).TryGet(out var signed, out refusal))
            return refusal;
        refusal = CheckNonce(quote, expectedNonce)
            ?? CheckSignature(key, quote, signed)
            ?? CheckCoverage(quote.Selection, requested)
            ?? CheckValues(quote.Selection, values)
            ?? CheckDigest(key.Hash, quote, values)
            ?? CheckBanks(requested);
        return refusal is null ? new VerifiedQuote(quote, values) : refusal;
    }

    private static TpmRefusal? CheckNonce(TpmsAttest quote, ReadOnlySpan<byte> expected)
    {
        if (expected.IsEmpty)
            return new(TpmRefusalCode.NonceMismatch, "No nonce was expected, so nothing shows that the quote is fresh.");
        return quote.ExtraData.Span.SequenceEqual(expected)
            ? null
            : new(TpmRefusalCode.NonceMismatch, "The quote does not answer the nonce of this request.");
    }

    private static TpmRefusal? CheckSignature(AttestationKey key, TpmsAttest quote, TpmtSignature signed)
    {
        if (!signed.Hash.IsTrustedHash())
            return new(TpmRefusalCode.WeakHash, $"The quote is signed with {signed.Hash.DisplayName()}; SHA-256 or stronger is needed.");
        if (signed.Scheme != key.Scheme || signed.Hash != key.Hash)
        {
            return new(TpmRefusalCode.SchemeMismatch,
                $"Signed with {signed.Scheme.DisplayName()}/{signed.Hash.DisplayName()}, but the key signs with {key.Scheme.DisplayName()}/{key.Hash.DisplayName()}.");
        }
        Span<byte> digest = stackalloc byte[TpmHash.MaxDigestSize];
        var size = TpmHash.Compute(key.Hash, quote.Raw.Span, digest);
        return key.Verifies(digest[..size], signed)
            ? null
            : new(TpmRefusalCode.SignatureInvalid, "The signature is not the enrolled key's signature over this quote.");
    }

    private static TpmRefusal? CheckCoverage(PcrSelection quoted, PcrSelection requested)
    {
        if (requested.Count == 0)
            return new(TpmRefusalCode.SelectionLacksPcr, "No PCR was requested, so the quote proves nothing.");
        foreach (var (bank, mask) in requested.Banks)
        {
            var lacking = mask & ~quoted.MaskOf(bank);
            if (lacking != 0)
            {
                return new(TpmRefusalCode.SelectionLacksPcr,
                    $"The quote does not cover PCR {string.Join(", ", PcrMask.Numbers(lacking))} of bank {bank.DisplayName()}.");
            }
        }
        return null;
    }

    private static TpmRefusal? CheckValues(PcrSelection quoted, PcrValues values)
    {
        foreach (var (bank, mask) in quoted.Banks)
        {
            var missing = mask & ~(values.Bank(bank)?.Mask ?? 0);
            if (missing != 0)
            {
                return new(TpmRefusalCode.PcrValueMissing,
                    $"No value was delivered for PCR {string.Join(", ", PcrMask.Numbers(missing))} of bank {bank.DisplayName()}.");
            }
        }
        foreach (var bank in values.Banks)
        {
            var extra = bank.Mask & ~quoted.MaskOf(bank.Algorithm);
            if (extra != 0)
            {
                return new(TpmRefusalCode.PcrValueExtra,
                    $"PCR {string.Join(", ", PcrMask.Numbers(extra))} of bank {bank.Algorithm.DisplayName()} came with a value the quote does not cover.");
            }
        }
        return null;
    }

    private static TpmRefusal? CheckDigest(TpmAlgorithm hash, TpmsAttest quote, PcrValues values)
    {
        var longest = quote.Selection.Count * TpmHash.MaxDigestSize;
        var rented = longest > 2048 ? ArrayPool<byte>.Shared.Rent(longest) : null;
        Span<byte> joined = rented ?? stackalloc byte[2048];
        var length = 0;
        foreach (var (bank, mask) in quote.Selection.Banks)
        {
            var bankValues = values.Bank(bank);
            for (var rest = mask; rest != 0; rest &= rest - 1)
            {
                bankValues!.TryGet(BitOperations.TrailingZeroCount(rest), out var value);
                value.CopyTo(joined[length..]);
                length += value.Length;
            }
        }
        var matches = TpmHash.Matches(hash, joined[..length], quote.PcrDigest.Span);
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
        return matches ? null : new(TpmRefusalCode.PcrDigestMismatch, "The delivered PCR values are not the ones the TPM quoted.");
    }

    private static TpmRefusal? CheckBanks(PcrSelection requested)
    {
        foreach (var (bank, mask) in requested.Banks)
        {
            if (mask != 0 && !bank.IsTrustedHash())
                return new(TpmRefusalCode.WeakHash, $"Bank {bank.DisplayName()} is too weak for trust; SHA-256 or stronger is needed.");
        }
        return null;
    }
}
