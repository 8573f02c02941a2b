using System.Collections.Immutable;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines.Editing;

/// <summary>What a runtime baseline says while somebody writes it.</summary>
public sealed class RuntimeDraft
{
    private readonly SortedDictionary<string, ImmutableArray<string>> files = new(StringComparer.Ordinal);
    private ImmutableArray<string> anywhere = [];
    private string excludes = "";
    private bool toleratesViolations;
    private RuntimeReference? reference;

    public IReadOnlyCollection<string> Anywhere => anywhere;

    /// <summary>Patterns, one a line.</summary>
    public string Excludes
    {
        get => excludes;
        set => (excludes, reference) = (value, null);
    }

    public bool ToleratesViolations
    {
        get => toleratesViolations;
        set => (toleratesViolations, reference) = (value, null);
    }

    public static RuntimeDraft From(RuntimeReference runtime)
    {
        var draft = new RuntimeDraft { anywhere = runtime.Anywhere, excludes = string.Join('\n', runtime.Excludes), toleratesViolations = runtime.ToleratesViolations };
        foreach (var file in runtime.Files)
        {
            draft.files[file.Path] = file.Digests;
        }

        return draft;
    }

    /// <summary>The same object until something changes.</summary>
    public RuntimeReference ToReference() => reference ??= new RuntimeReference(
        [.. files.Select(f => new FileReference(f.Key, f.Value))],
        anywhere,
        [.. excludes.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)],
        toleratesViolations).Normalized();

    /// <summary>Adds files given as lines of a digest and a path, either first. Nothing is added when a line is wrong; the answer says which.</summary>
    public string? Add(string lines)
    {
        var read = new List<(string Digest, string Path)>();
        foreach (var (line, number) in lines.Split('\n').Select((l, i) => (l.Trim(), i + 1)).Where(l => l.Item1.Length > 0))
        {
            // sha256sum puts two spaces, or a space and an asterisk, between both.
            var parts = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var (digest, path) = IsDigest(parts[0]) ? (parts[0], parts.Length > 1 ? parts[1].TrimStart('*') : "") : parts.Length > 1 && IsDigest(parts[1]) ? (parts[1], parts[0]) : ("", "");
            if (digest.Length == 0)
            {
                return $"Line {number} has no SHA-256, SHA-384 or SHA-512 digest beside a path.";
            }

            if (path.Contains(' ', StringComparison.Ordinal))
            {
                return $"The path of line {number} holds a space; the kernel lists an underscore for it.";
            }

            read.Add((digest.ToLowerInvariant(), path));
        }

        foreach (var (digest, path) in read)
        {
            if (path.Length == 0)
            {
                anywhere = anywhere.Add(digest);
            }
            else
            {
                files[path] = files.GetValueOrDefault(path, []).Add(digest);
            }
        }

        reference = null;
        return null;
    }

    public void Remove(string path)
    {
        files.Remove(path);
        reference = null;
    }

    public void ForgetAnywhere() => (anywhere, reference) = ([], null);

    private static bool IsDigest(string text)
    {
        var hex = text.AsSpan(text.IndexOf(':', StringComparison.Ordinal) + 1);
        return hex.Length is 64 or 96 or 128 && !hex.ContainsAnyExcept("0123456789abcdefABCDEF");
    }
}
