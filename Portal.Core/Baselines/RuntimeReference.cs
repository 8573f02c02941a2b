using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Portal.Core.Tpm;

namespace Portal.Core.Baselines;

/// <summary>A file hosts may use, with what its content may be.</summary>
/// <param name="Path">Its absolute path as the kernel measures it, or the name of something that is no file, such as <c>.platform</c>.</param>
/// <param name="Digests">Approved digests of its content, <c>sha256:</c> and lower-case hexadecimal; any one of them.</param>
public sealed record FileReference(string Path, ImmutableArray<string> Digests);

/// <summary>
/// What hosts may use while they run: what the kernel's IMA measures into PCR 10. A file matches by a digest approved at its path or anywhere;
/// a path that an exclude fits is not looked at. Paths are what the host says: the digest is what proves.
/// </summary>
/// <param name="Files">By path, each once.</param>
/// <param name="Anywhere">Digests approved at any path.</param>
/// <param name="Excludes">Regular expressions that fit from the beginning of a path, matched without backtracking.</param>
/// <param name="ToleratesViolations">Whether entries without a digest are passed over: see <see cref="ImaReference.ToleratesViolations"/>.</param>
public sealed record RuntimeReference(
    ImmutableArray<FileReference> Files, ImmutableArray<string> Anywhere, ImmutableArray<string> Excludes, bool ToleratesViolations = false)
{
    /// <summary>Allows nothing: what a draft starts from.</summary>
    public static RuntimeReference Empty { get; } = new([], [], []);

    /// <summary>Digests in all.</summary>
    [JsonIgnore]
    public int DigestCount => Files.Sum(f => f.Digests.Length) + Anywhere.Length;

    /// <summary>The same in the one spelling that is stored: paths sorted and named once, digests with their hash's name, in lower case, sorted; no null anywhere.</summary>
    public RuntimeReference Normalized() => new(
        [.. Present(Files)
            .GroupBy(f => f?.Path?.Trim() ?? "", StringComparer.Ordinal)
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new FileReference(g.Key, Digests(g.SelectMany(f => f is null ? [] : Present(f.Digests)))))],
        Digests(Present(Anywhere)),
        [.. Present(Excludes).Select(e => e?.Trim() ?? "").Distinct(StringComparer.Ordinal)],
        ToleratesViolations);

    /// <summary>Ready to be compared with what hosts measured; refused, naming the field, when it cannot be.</summary>
    public Outcome<ImaReference> Compile() => ImaReference.Create(
        Files.ToDictionary(f => f.Path, f => (IReadOnlyCollection<string>)f.Digests, StringComparer.Ordinal), Anywhere, Excludes, ToleratesViolations);

    /// <summary>A digest without its hash's name.</summary>
    public static string HexOf(string digest) => digest[(digest.IndexOf(':', StringComparison.Ordinal) + 1)..];

    private static ImmutableArray<T> Present<T>(ImmutableArray<T> list) => list.IsDefault ? [] : list;

    private static ImmutableArray<string> Digests(IEnumerable<string> digests) =>
        [.. digests.Select(d => Named((d ?? "").Trim().ToLowerInvariant())).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>A bare digest gets the name of the hash its length tells.</summary>
    private static string Named(string digest) => digest.Length switch
    {
        _ when digest.Contains(':', StringComparison.Ordinal) => digest,
        64 => "sha256:" + digest,
        96 => "sha384:" + digest,
        128 => "sha512:" + digest,
        _ => digest,
    };
}
