using System.Collections.Immutable;
using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Tpm;

namespace Portal.Core.Baselines;

/// <summary>
/// Makes reference values of the files a host used since it booted. Pure. What an earlier revision approves is kept: one boot never uses all files.
/// What carries no digest to approve (written while read, hashed too weakly, of a template not read here) is left out and counted in the notes.
/// </summary>
internal static class CapturedFiles
{
    /// <summary>The content, or why there is none.</summary>
    /// <param name="evidence">The host's latest evidence.</param>
    /// <param name="measurements">Its measurement list as far as the evidence vouches for it.</param>
    /// <param name="host">The host's name, for sentences.</param>
    /// <param name="known">An earlier content that is added to.</param>
    /// <param name="clusters">Where it shall apply; empty for everywhere.</param>
    public static Outcome<BaselineContent> Of(EvidenceRecord evidence, byte[] measurements, string host, BaselineContent? known, ImmutableArray<Guid> clusters)
    {
        if (!ImaList.ParseText(measurements).TryGet(out var list, out var refusal))
        {
            return CaptureRefusals.Measurements(host, refusal.Message);
        }

        var runtime = known?.Runtime ?? RuntimeReference.Empty;
        if (runtime.Compile() is not { Succeeded: true, Value: var approved })
        {
            approved = RuntimeReference.Empty.Compile().Value;
        }

        var (files, leftOut) = (new Dictionary<string, HashSet<string>>(StringComparer.Ordinal), 0);
        for (var i = 0; i < list.Count; i++)
        {
            var entry = list[i];
            if (entry.IsBootAggregate && !entry.IsViolation)
            {
                continue;
            }

            if (PathOf(entry) is not { } path || entry.IsViolation || entry.Template == ImaTemplate.Other || !entry.DigestAlgorithm.IsTrustedHash())
            {
                leftOut++;
            }
            else if (!approved.Excludes(path) && !approved.AllowsAnywhere(entry.Digest.Span))
            {
                if (!files.TryGetValue(path, out var digests))
                {
                    files[path] = digests = new(StringComparer.Ordinal);
                }

                digests.Add(Convert.ToHexStringLower(entry.Digest.Span));
            }
        }

        if (files.Count == 0 && runtime.DigestCount == 0)
        {
            return CaptureRefusals.NoFiles(host);
        }

        var captured = files.Select(f => new FileReference(f.Key, [.. f.Value]));
        return (BaselineContent.Empty with
        {
            Clusters = clusters,
            Notes = Notes(evidence, host, list.Count, leftOut),
            Runtime = runtime with { Files = [.. runtime.Files, .. captured] },
        }).Normalized();
    }

    /// <summary>The path as text that can be written down and compared; null when it is none.</summary>
    private static string? PathOf(ImaEntry entry)
    {
        try
        {
            var path = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(entry.Path.Span);
            return path.Length <= ContentRules.LongestPath && Text.IsOneLine(path) && !path.Contains(' ', StringComparison.Ordinal) ? path : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static string Notes(EvidenceRecord evidence, string host, int entries, int leftOut)
    {
        var notes = $"Captured from {host}, {entries:N0} entries of its measurement list, evidence {evidence.Digest} of {evidence.IssuedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC.";
        return leftOut == 0 ? notes : $"{notes} Left out, because nothing vouches for their content: {leftOut:N0} {(leftOut == 1 ? "entry" : "entries")}.";
    }
}
