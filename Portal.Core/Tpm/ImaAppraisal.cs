using System.Buffers;
using System.Text.Unicode;

namespace Portal.Core.Tpm;

/// <summary>Why an entry is not one the reference allows.</summary>
public enum ImaDeviationKind
{
    /// <summary>The path has no digests in the reference, and the digest is not allowed anywhere.</summary>
    UnknownFile,

    /// <summary>The path has digests in the reference, and this is none of them.</summary>
    OtherContent,

    /// <summary>The kernel measured with a hash that cannot carry trust.</summary>
    WeakDigest,

    /// <summary>The kernel could not tell the content, because the file was written while it was read.</summary>
    NotMeasured,

    /// <summary>An entry of a template that is not read here.</summary>
    OtherTemplate,
}

/// <summary>An entry the reference does not allow.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Position">Its place in the host's whole list, the first being 0.</param>
/// <param name="Path">Its path, safe to show.</param>
/// <param name="Digest">Hash and digest such as <c>sha256:…</c>; empty when there is none.</param>
public sealed record ImaDeviation(ImaDeviationKind Kind, int Position, string Path, string Digest)
{
    /// <summary>The deviation in a sentence.</summary>
    public string Sentence => Kind switch
    {
        ImaDeviationKind.UnknownFile => $"The host used {Path} ({Digest}), which the reference does not know.",
        ImaDeviationKind.OtherContent => $"The host used {Path} with content {Digest}, which is not approved there.",
        ImaDeviationKind.WeakDigest => $"The host measured {Path} with a hash too weak for trust; boot its kernel with ima_hash=sha256.",
        ImaDeviationKind.NotMeasured => $"A file was written while the host used it, so its content is not known; the list says it is {Path}.",
        ImaDeviationKind.OtherTemplate => $"Entry {Position} of the measurement list is of a kind that is not read here.",
    };
}

/// <summary>Verified entries against a reference.</summary>
/// <param name="Checked">Entries looked at.</param>
/// <param name="Excluded">Of these, how many were not compared: those the reference leaves out, and boot aggregates behind the first.</param>
/// <param name="Deviations">How many it does not allow; 0 means all is approved.</param>
/// <param name="First">The first of them, or null.</param>
public sealed record ImaAppraisal(int Checked, int Excluded, int Deviations, ImaDeviation? First)
{
    /// <summary>How many deviations are told one by one.</summary>
    public const int MostListed = 20;

    /// <summary>The first of them, at most <see cref="MostListed"/>, in the order of the list.</summary>
    public IReadOnlyList<ImaDeviation> Listed { get; init; } = [];

    /// <summary>Compares the entries found now with what hosts may run.</summary>
    /// <param name="verified">Entries a quote vouches for.</param>
    /// <param name="reference">What is allowed.</param>
    public static ImaAppraisal Of(ImaVerified verified, ImaReference reference)
    {
        ArgumentNullException.ThrowIfNull(verified);
        ArgumentNullException.ThrowIfNull(reference);
        int excluded = 0, deviations = 0;
        List<ImaDeviation>? listed = null;
        for (var i = 0; i < verified.Count; i++)
        {
            var entry = verified.List[verified.From + i];
            var position = verified.Position + i;
            if (IsBootAggregate(entry, position, verified))
            {
                excluded += position > 0 ? 1 : 0;
                continue;
            }
            var (kind, isExcluded) = Judge(entry, reference);
            excluded += isExcluded ? 1 : 0;
            if (kind is not { } found)
                continue;
            deviations++;
            if (listed is not { Count: >= MostListed })
                (listed ??= []).Add(new(found, position, entry.PathText, Digest(entry)));
        }
        return listed is null ? new(verified.Count, excluded, 0, null) : new(verified.Count, excluded, deviations, listed[0]) { Listed = listed };
    }

    /// <summary>The first entry was checked with the list. A later one, of a kernel that another one started, must say the same.</summary>
    private static bool IsBootAggregate(ImaEntry entry, int position, ImaVerified verified) => entry.IsBootAggregate && !entry.IsViolation
        && (position == 0 || (verified.BootAggregate is { } expected && entry.Template != ImaTemplate.ImaBuf && entry.Digest.Span.SequenceEqual(expected.Span)));

    private static (ImaDeviationKind? Kind, bool IsExcluded) Judge(ImaEntry entry, ImaReference reference)
    {
        if (entry.IsViolation)
            return (reference.ToleratesViolations ? null : ImaDeviationKind.NotMeasured, reference.ToleratesViolations);
        if (entry.Template == ImaTemplate.Other)
            return (ImaDeviationKind.OtherTemplate, false);
        var rented = ArrayPool<char>.Shared.Rent(ImaFields.MaxPathSize);
        try
        {
            // A path that is no text has no digests of its own and no pattern that fits.
            var isText = Utf8.ToUtf16(entry.Path.Span, rented, out _, out var length, replaceInvalidSequences: false) == OperationStatus.Done;
            return Judge(entry, isText, rented.AsSpan(0, length), reference);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    private static (ImaDeviationKind? Kind, bool IsExcluded) Judge(ImaEntry entry, bool isText, ReadOnlySpan<char> path, ImaReference reference)
    {
        if (isText && reference.Excludes(path))
            return (null, true);
        if (!entry.DigestAlgorithm.IsTrustedHash())
            return (ImaDeviationKind.WeakDigest, false);
        if (reference.AllowsAnywhere(entry.Digest.Span))
            return (null, false);
        var (isKnown, isAllowed) = isText ? reference.At(path, entry.Digest.Span) : default;
        if (isAllowed)
            return (null, false);
        return (isKnown ? ImaDeviationKind.OtherContent : ImaDeviationKind.UnknownFile, false);
    }

    private static string Digest(ImaEntry entry) =>
        entry.Digest.IsEmpty || entry.IsViolation ? "" : $"{entry.DigestAlgorithm.DisplayName()}:{Convert.ToHexStringLower(entry.Digest.Span)}";
}
