using System.Text.Json;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>
/// What the words of several attestation services on one host make together: trusted only when every service the cluster names trusts it, and
/// no longer than the first of them counts; untrusted as soon as one finds a mismatch. One that cannot say is not trust.
/// </summary>
internal static class Combination
{
    /// <summary>Writes into the host's row what its services' words make.</summary>
    /// <param name="row">The host's row; changed in place.</param>
    /// <param name="services">What the cluster names.</param>
    /// <param name="known">Words there are, perhaps of services not named any more.</param>
    /// <param name="names">Names of the servers, for reasons.</param>
    /// <param name="now">Our clock.</param>
    public static void Apply(HostAttestation row, ServiceSet services, IReadOnlyList<ServiceAttestation> known, IReadOnlyDictionary<Guid, string> names, DateTimeOffset now)
    {
        var words = known.Where(w => services.Of(w.ServiceId) is not null).ToList();
        var missing = services.Where(s => !words.Exists(w => w.ServiceId == s.ServiceId)).Select(s => s.ServiceId).ToList();
        var verdict = VerdictOf(row, words, missing.Count);
        if (row.Verdict != verdict || row.VerdictSince is null)
        {
            row.VerdictSince = now;
        }

        row.Verdict = verdict;
        row.CheckedAt = words.Max(w => w.CheckedAt);
        row.VerifiedAt = words.Min(w => w.VerifiedAt);
        row.ValidUntil = words.Min(w => w.ValidUntil);
        row.ForgetAt = words.Min(w => w.ForgetAt);
        row.PolicyRevision = words.Min(w => w.PolicyRevision);
        row.Outcome = words.Find(w => w.Outcome != CheckOutcome.Ok)?.Outcome ?? CheckOutcome.Ok;
        row.FailingSince = words.Min(w => w.FailingSince);
        row.StaleSince = now < row.ValidUntil ? null : row.StaleSince;
        row.Reason = Reason(verdict, words, missing, names);
        row.Findings = Joined<Finding>(words.Select(w => w.Findings));
        row.Matched = Joined<string>(words.Select(w => w.Matched));
        Evidence(row, words.Find(w => w.ServiceId == ServiceSet.BuiltInId));
    }

    /// <summary>Untrusted is sticky: it takes all of them to clear it.</summary>
    private static Verdict VerdictOf(HostAttestation row, List<ServiceAttestation> words, int missing) =>
        words.Exists(w => w.Verdict == Verdict.Untrusted) ? Verdict.Untrusted
        : missing == 0 && words.TrueForAll(w => w.Verdict == Verdict.Trusted) ? Verdict.Trusted
        : row.Verdict == Verdict.Untrusted ? Verdict.Untrusted
        : Verdict.None;

    private static string Reason(Verdict verdict, List<ServiceAttestation> words, List<Guid> missing, IReadOnlyDictionary<Guid, string> names)
    {
        var telling = verdict == Verdict.Untrusted ? words.Find(w => w.Verdict == Verdict.Untrusted) : words.Find(w => w.Verdict == Verdict.None || w.Reason.Length > 0);
        return telling is not null ? telling.Reason.Length == 0 ? "" : $"{NameOf(telling.ServiceId)}: {telling.Reason}"
            : missing.Count > 0 ? $"{NameOf(missing[0])}: has not said anything yet"
            : "";

        string NameOf(Guid service) => service == ServiceSet.BuiltInId ? "built-in" : names.GetValueOrDefault(service, "server");
    }

    /// <summary>The parts of lists written as JSON in one list.</summary>
    private static string Joined<T>(IEnumerable<string> lists)
    {
        var full = lists.Where(l => l.Length > 2).ToList();
        return full.Count switch
        {
            0 => "[]",
            1 => full[0],
            _ => JsonSerializer.Serialize(full.SelectMany(l => JsonSerializer.Deserialize<List<T>>(l) ?? [])),
        };
    }

    /// <summary>What stored evidence is compared with is the verifier of our own's alone.</summary>
    private static void Evidence(HostAttestation row, ServiceAttestation? ours) =>
        (row.EvidenceDigest, row.MeasurementDigest, row.FailedCheck, row.ResetCount, row.RestartCount, row.TpmClock) =
        (ours?.EvidenceDigest, ours?.MeasurementDigest, ours?.FailedCheck, ours?.ResetCount, ours?.RestartCount, ours?.TpmClock);
}
