namespace Portal.Core.Tpm;

/// <summary>
/// What the running kernel measured, as <c>/sys/kernel/security/ima</c> lists it, whole or from some entry on. The list itself is
/// unprotected: it is worth what <see cref="ImaReplay"/> finds of it in a quoted PCR 10. Immutable.
/// Source: Linux kernel, security/integrity/ima/ima_fs.c.
/// </summary>
public sealed class ImaList
{
    /// <summary>Longest list read, in bytes: some 400,000 entries of usual length.</summary>
    public const int MaxBytes = 64 * 1024 * 1024;

    /// <summary>Most entries of one list.</summary>
    public const int MaxEntries = 1_000_000;

    /// <summary>Longest template data of one entry, in bytes; keys, signatures and command lines stay far below.</summary>
    public const int MaxTemplateSize = 256 * 1024;

    /// <summary>The PCR the kernel extends unless its policy says otherwise; other PCRs are not read.</summary>
    public const int Pcr = 10;

    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly List<Place> _places;

    internal ImaList(ReadOnlyMemory<byte> bytes, List<Place> places) => (_bytes, _places) = (bytes, places);

    /// <summary>No entries: what a host sends that measured nothing since it was last asked.</summary>
    public static ImaList Empty { get; } = new(default, []);

    /// <summary>How many entries there are.</summary>
    public int Count => _places.Count;

    /// <summary>An entry.</summary>
    /// <param name="index">0 is the first of this list, which need not be the host's first.</param>
    public ImaEntry this[int index]
    {
        get
        {
            var place = _places[index];
            var digest = _bytes.Slice(place.Digest, TpmAlgorithm.Sha1.DigestSize());
            var data = _bytes.Slice(place.Data, place.Length);
            ImaFields.TryRead(place.Template, data.Span, isViolation: true, out var fields);
            return new(place.Template, digest, data, fields.DigestAlgorithm,
                data.Slice(fields.Digest.Start, fields.Digest.Length), data.Slice(fields.Path.Start, fields.Path.Length));
        }
    }

    /// <summary>
    /// Reads <c>binary_runtime_measurements</c> of a little-endian machine. Refused: more than 64 MiB or 1,000,000 entries, lengths beyond
    /// the list or beyond reason, another PCR than 10, an entry not built as its template says. Time and memory grow with the bytes given,
    /// not with what they claim. Entries of templates of the kernel that are not read here are kept: their digests count.
    /// </summary>
    /// <param name="bytes">The list.</param>
    public static TpmResult<ImaList> ParseBinary(ReadOnlySpan<byte> bytes) => CheckLength(bytes) is { } refusal ? refusal : ImaBinary.Parse(bytes);

    /// <summary>
    /// Reads <c>ascii_runtime_measurements</c>, exactly as the kernel writes it: lower-case digits, one space between fields, a line feed
    /// after each entry. Refused as in <see cref="ParseBinary"/>, and entries of those templates too, whose data text does not give.
    /// A file name with a line feed breaks this form; hosts that have such names must send the binary one.
    /// </summary>
    /// <param name="text">The list.</param>
    public static TpmResult<ImaList> ParseText(ReadOnlySpan<byte> text) => CheckLength(text) is { } refusal ? refusal : ImaText.Parse(text);

    private static TpmRefusal? CheckLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        return bytes.Length > MaxBytes
            ? new TpmRefusal(TpmRefusalCode.TooLarge, $"A measurement list of {bytes.Length} bytes; at most {MaxBytes} are read.")
            : null;
    }

    /// <summary>Where an entry stands in the bytes kept.</summary>
    internal readonly record struct Place(ImaTemplate Template, int Digest, int Data, int Length);
}
