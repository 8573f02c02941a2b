using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Portal.Core.Tpm;

/// <summary>
/// What hosts may run: digests allowed at a path, digests allowed anywhere, and paths nobody looks at. Immutable; safe for use by several
/// threads at once.
/// </summary>
public sealed class ImaReference
{
    /// <summary>Most digests, at paths and anywhere together.</summary>
    public const int MaxDigests = 2_000_000;

    /// <summary>Most patterns of paths nobody looks at; each is tried on every entry.</summary>
    public const int MaxExcludes = 100;

    /// <summary>Longest pattern, in characters.</summary>
    public const int MaxPatternLength = 1000;

    private const RegexOptions Bounded = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    private readonly FrozenDictionary<string, byte[][]> _atPath;
    private readonly FrozenSet<byte[]> _anywhere;
    private readonly Regex[] _excludes;

    private ImaReference(FrozenDictionary<string, byte[][]> atPath, FrozenSet<byte[]> anywhere, Regex[] excludes, bool toleratesViolations) =>
        (_atPath, _anywhere, _excludes, ToleratesViolations) = (atPath, anywhere, excludes, toleratesViolations);

    /// <summary>
    /// Whether entries without a digest are passed over. Nobody vouches for their paths, so excludes cannot choose among them: a host
    /// could hide any file behind one. Off unless log files that are read while written leave no choice.
    /// </summary>
    public bool ToleratesViolations { get; }

    /// <summary>
    /// A reference. Refused, naming the field: a digest that is no SHA-256, SHA-384 or SHA-512 in hexadecimal (perhaps after its hash's
    /// name and a colon), a pattern that is none or looks back or around, more of them than the limits.
    /// </summary>
    /// <param name="digestsAtPath">Allowed digests by absolute path.</param>
    /// <param name="digestsAnywhere">Digests allowed at any path.</param>
    /// <param name="excludes">Regular expressions that match from the beginning of a path; as keylime's runtime policies have them.</param>
    /// <param name="toleratesViolations">See <see cref="ToleratesViolations"/>.</param>
    public static Outcome<ImaReference> Create(
        IReadOnlyDictionary<string, IReadOnlyCollection<string>> digestsAtPath, IReadOnlyCollection<string> digestsAnywhere,
        IReadOnlyCollection<string> excludes, bool toleratesViolations = false)
    {
        ArgumentNullException.ThrowIfNull(digestsAtPath);
        ArgumentNullException.ThrowIfNull(digestsAnywhere);
        ArgumentNullException.ThrowIfNull(excludes);
        var count = digestsAtPath.Values.Sum(digests => (long)digests.Count) + digestsAnywhere.Count;
        if (count > MaxDigests)
            return Refusal.Invalid("ima.digests.too_many", "digests", $"{count} digests; at most {MaxDigests} are kept.", "Split the reference or leave paths out.");

        var atPath = new Dictionary<string, byte[][]>(digestsAtPath.Count, StringComparer.Ordinal);
        foreach (var (path, texts) in digestsAtPath)
        {
            if (!TryReadDigests(texts, out var digests, out var wrong))
                return BadDigest($"digests[{ClaimedText.Safe(path, 200)}]", wrong);
            atPath[path] = digests;
        }
        if (!TryReadDigests(digestsAnywhere, out var anywhere, out var bad))
            return BadDigest("digests_anywhere", bad);
        var compiled = Compile(excludes);
        return compiled.Succeeded
            ? new ImaReference(atPath.ToFrozenDictionary(StringComparer.Ordinal), anywhere.ToFrozenSet(new DigestComparer()), compiled.Value, toleratesViolations)
            : compiled.Refusal;
    }

    /// <summary>Whether a path is one nobody looks at. A path with invisible characters never is: patterns would read it wrongly.</summary>
    internal bool Excludes(ReadOnlySpan<char> path)
    {
        foreach (var value in path)
        {
            if (char.IsControl(value))
                return false;
        }
        foreach (var exclude in _excludes)
        {
            if (exclude.IsMatch(path))
                return true;
        }
        return false;
    }

    internal bool AllowsAnywhere(ReadOnlySpan<byte> digest) => _anywhere.GetAlternateLookup<ReadOnlySpan<byte>>().Contains(digest);

    /// <summary>Whether the path has digests of its own, and whether this is one of them. A digest's length tells its hash.</summary>
    internal (bool IsKnown, bool IsAllowed) At(ReadOnlySpan<char> path, ReadOnlySpan<byte> digest)
    {
        if (!_atPath.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(path, out var allowed))
            return (false, false);
        foreach (var one in allowed)
        {
            if (digest.SequenceEqual(one))
                return (true, true);
        }
        return (true, false);
    }

    private static Outcome<Regex[]> Compile(IReadOnlyCollection<string> patterns)
    {
        if (patterns.Count > MaxExcludes)
            return Refusal.Invalid("ima.excludes.too_many", "excludes", $"{patterns.Count} patterns; at most {MaxExcludes} are tried.", "Join patterns with |.");
        var compiled = new List<Regex>(patterns.Count);
        foreach (var pattern in patterns)
        {
            if (pattern.Length is 0 or > MaxPatternLength)
                return BadPattern(compiled.Count, $"it has {pattern.Length} characters, not 1 to {MaxPatternLength}");
            try
            {
                // Alone first: a pattern that is none by itself could close the group around it and shed the anchor.
                _ = new Regex(pattern, Bounded);
                compiled.Add(new Regex($@"\A(?:{pattern})", Bounded));
            }
            catch (ArgumentException)
            {
                return BadPattern(compiled.Count, "it is no regular expression");
            }
            catch (NotSupportedException)
            {
                return BadPattern(compiled.Count, "it looks around or back, or is too large, so its time could not be bounded");
            }
        }
        return compiled.ToArray();
    }

    private static bool TryReadDigests(IReadOnlyCollection<string> texts, [NotNullWhen(true)] out byte[][]? digests, [NotNullWhen(false)] out string? wrong)
    {
        digests = new byte[texts.Count][];
        var index = 0;
        wrong = null;
        foreach (var text in texts)
        {
            if (!TryReadDigest(text, out digests[index++]!))
            {
                wrong = text;
                digests = null;
                return false;
            }
        }
        return true;
    }

    private static bool TryReadDigest(string text, [NotNullWhen(true)] out byte[]? digest)
    {
        digest = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var hex = text.AsSpan(colon + 1);
        var algorithm = hex.Length switch
        {
            64 => TpmAlgorithm.Sha256,
            96 => TpmAlgorithm.Sha384,
            128 => TpmAlgorithm.Sha512,
            _ => TpmAlgorithm.None,
        };
        if (algorithm == TpmAlgorithm.None || (colon >= 0 && TpmAlgorithmFacts.HashNamed(text[..colon]) != algorithm))
            return false;
        var bytes = new byte[hex.Length / 2];
        if (Convert.FromHexString(hex, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
            return false;
        digest = bytes;
        return true;
    }

    private static Refusal BadDigest(string field, string text) => Refusal.Invalid("ima.digest.invalid", field,
        $"'{ClaimedText.Safe(text, 140)}' is no SHA-256, SHA-384 or SHA-512 digest.", "Give 64, 96 or 128 hexadecimal digits, perhaps after sha256:, sha384: or sha512:.");

    private static Refusal BadPattern(int index, string why) => Refusal.Invalid("ima.exclude.invalid", $"excludes[{index}]",
        $"Pattern {index} cannot be used: {why}.", "Write a regular expression without lookarounds and backreferences.");

    private sealed class DigestComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        // A digest is as good as random already.
        public int GetHashCode(ReadOnlySpan<byte> alternate) => alternate.Length < sizeof(int) ? 0 : BitConverter.ToInt32(alternate);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
