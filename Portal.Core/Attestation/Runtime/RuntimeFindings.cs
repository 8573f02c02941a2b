using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Says what a host used that no runtime baseline approves. A path is the host's word; only the digest is proven, and is said to be.</summary>
internal static class RuntimeFindings
{
    private const int LongestInShort = 60;

    public static Finding Absent(string baseline) => new(
        FindingCode.MeasurementsAbsent,
        $"Baseline {baseline} looks at the files the host uses, but it sent no measurement list.",
        "Boot the host's kernel with an IMA policy (for example ima_policy=tcb ima_hash=sha256), and let its agent read /sys/kernel/security/ima.")
    {
        Short = "no measurement list sent",
    };

    private static Finding NoFiles(string baseline) => new(
        FindingCode.MeasurementsAbsent,
        $"The host's kernel measured no file that baseline {baseline} looks at: what it uses is not known.",
        "Boot its kernel with an IMA policy (for example ima_policy=tcb ima_hash=sha256), and see that nothing on the host takes the policy away.")
    {
        Short = "its kernel measured no files",
    };

    /// <summary>Evidence from before anybody wanted to know: PCR 10 is quoted whenever the list is asked for.</summary>
    public static Finding NotAsked(string baseline) => new(
        FindingCode.MeasurementsAbsent,
        $"Baseline {baseline} looks at the files the host uses, and its latest evidence is from before it was asked for them.",
        "Attest the host now, or wait for its next turn.")
    {
        Short = "not asked for its files yet",
    };

    public static Finding Refused(string why) => new(
        FindingCode.MeasurementsRefused,
        why,
        "Treat what runs on the host as unknown until its list is explained; a reboot starts a new one. Kernels before 5.8 cannot fill a SHA-256 bank as needed.")
    {
        Short = "measurement list does not match PCR 10",
    };

    /// <summary>What a standing found, the first leading. The others are its company, not its consequences, but one reason is enough for a verdict.</summary>
    public static IEnumerable<Finding> Of(RuntimeStanding standing, string baseline) => standing.Listed.Select((deviation, i) => Of(deviation, baseline, i == 0 ? standing.Deviations - 1 : 0) with { Follows = i > 0 });

    private static Finding Of(ImaDeviation deviation, string baseline, int more)
    {
        var measured = RuntimeReference.HexOf(deviation.Digest);
        var isContent = deviation.Kind is ImaDeviationKind.UnknownFile or ImaDeviationKind.OtherContent;
        var rest = more == 0 ? "" : more == 1 ? " One more entry of its list is not approved." : $" {more:N0} more entries of its list are not approved.";
        return new Finding(isContent ? FindingCode.FileNotApproved : FindingCode.FileNotMeasured, Sentence(deviation, baseline) + rest, Remedy(deviation.Kind))
        {
            Entry = deviation.Position,
            Measured = measured.Length == 0 ? null : measured,
            Component = deviation.Path,
            Short = Short(deviation),
        };
    }

    private static string Sentence(ImaDeviation deviation, string baseline)
    {
        var place = $"PCR 10, entry {deviation.Position}";
        return deviation.Kind switch
        {
            ImaDeviationKind.UnknownFile => $"A file of unknown content was used, as the host says at {deviation.Path} ({place}); baseline {baseline} knows neither.",
            ImaDeviationKind.OtherContent => $"{deviation.Path} was used with content that baseline {baseline} does not approve there ({place}; the path is what the host says, the digest is proven).",
            ImaDeviationKind.WeakDigest => $"The kernel measured {deviation.Path} with a hash that carries no trust ({place}).",
            ImaDeviationKind.NotMeasured => $"A file was written while it was used, so nobody knows its content ({place}); the host says it is {deviation.Path}.",
            ImaDeviationKind.OtherTemplate => $"Entry {deviation.Position} of the measurement list is of a kind that is not read here (PCR 10).",
        };
    }

    private static string Remedy(ImaDeviationKind kind) => kind switch
    {
        ImaDeviationKind.UnknownFile or ImaDeviationKind.OtherContent => "If this file was installed or updated on purpose, review it and add its digest to a draft of the baseline; if not, keep the host out: it ran something nobody approved. A reboot forgets what was used.",
        ImaDeviationKind.WeakDigest => "Boot the host's kernel with ima_hash=sha256.",
        ImaDeviationKind.NotMeasured => "Find out what writes the file while it is read; log files are best left out by the kernel's IMA policy.",
        ImaDeviationKind.OtherTemplate => "Boot the host's kernel with the template ima-ng or ima-sig.",
    };

    private static string Short(ImaDeviation deviation)
    {
        var path = deviation.Path.Length <= LongestInShort ? deviation.Path : "…" + deviation.Path[^(LongestInShort - 1)..];
        return deviation.Kind switch
        {
            ImaDeviationKind.UnknownFile or ImaDeviationKind.OtherContent => $"file not approved: {path}",
            ImaDeviationKind.NotMeasured => $"file changed while used: {path}",
            ImaDeviationKind.WeakDigest => $"file measured too weakly: {path}",
            ImaDeviationKind.OtherTemplate => "measurement of another kind",
        };
    }

    /// <summary>Findings of the runtime kind against the baseline that objects to least.</summary>
    public static List<Finding> Nearest(IReadOnlyList<ApprovedRevision> inScope, CheckedEvidence evidence)
    {
        var standings = inScope
            .Select(r => (Revision: r, Standing: evidence.Runtime?.Stand(r)))
            .Where(c => c.Standing is not null)
            .OrderBy(c => c.Standing!.Deviations)
            .ThenByDescending(c => c.Revision.Number)
            .ToList();
        var title = (standings.Count > 0 ? standings[0].Revision : inScope.MaxBy(r => r.Number)!).Title;
        IEnumerable<Finding> findings = evidence.Runtime is { Fault: { } fault } ? [Refused(fault)]
            : standings.Count == 0 ? [evidence.Bank.Contains(ImaList.Pcr) ? Absent(title) : NotAsked(title)]
            : standings[0].Standing is { Deviations: 0, LooksAtFiles: false } ? [NoFiles(title)]
            : Of(standings[0].Standing!, title);
        return [.. findings.Select(f => f with { Kind = BaselineKinds.Runtime, Baseline = title, Pcr = ImaList.Pcr })];
    }
}
