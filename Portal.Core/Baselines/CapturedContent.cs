using System.Collections.Immutable;
using System.Text.Json;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Baselines;

/// <summary>
/// Makes reference values of what a host measured: event by event, so that a difference later names a component. Pure. The evidence passed its
/// own checks; here the log has to explain every value taken from it once more.
/// </summary>
internal static class CapturedContent
{
    private const int FirmwarePcrs = 8;

    // PCR Usage, TCG PC Client Platform Firmware Profile: code, option ROMs and Secure Boot policy; then boot loader, what GRUB ran
    // and loaded (8, 9) and shim's own keys (14). Configuration (1, 3, 5) differs from machine to machine.
    private static readonly int[] FirmwareKindPcrs = [0, 2, 7];
    private static readonly int[] HypervisorKindPcrs = [4, 8, 9, 14];

    // What a measured launch (Intel TXT) took part of, who signed it and what it launched: by value, since no boot log tells of it.
    private static readonly int[] LaunchPcrs = [17, 18, 19];

    /// <summary>The content, or why there is none.</summary>
    /// <param name="evidence">The host's latest evidence.</param>
    /// <param name="eventLog">Its boot log.</param>
    /// <param name="kind">Decides the PCRs.</param>
    /// <param name="host">The host's name, for sentences.</param>
    /// <param name="known">An earlier content whose labels are kept where the digests are the same.</param>
    /// <param name="clusters">Where it shall apply; empty for everywhere.</param>
    public static Outcome<BaselineContent> Of(
        EvidenceRecord evidence, byte[] eventLog, BaselineKinds kind, string host, BaselineContent? known, ImmutableArray<Guid> clusters)
    {
        var bank = (TpmAlgorithm)evidence.Bank;
        if (!EventLog.Parse(eventLog).TryGet(out var log, out var refusal))
        {
            return CaptureRefusals.Log(host, refusal);
        }

        if (log.CheckMeasured(bank) is { } unmeasured)
        {
            return CaptureRefusals.Unmeasured(host, unmeasured);
        }

        if (!log.Replay(bank).TryGet(out var replayed, out refusal))
        {
            return CaptureRefusals.Log(host, refusal);
        }

        var quoted = JsonSerializer.Deserialize<Dictionary<int, string>>(evidence.Pcrs) ?? [];
        var labels = Labels(known);
        var (pcrs, leftOut) = (ImmutableArray.CreateBuilder<PcrReference>(), new List<int>());
        foreach (var pcr in kind == BaselineKinds.Firmware ? FirmwareKindPcrs : HypervisorKindPcrs)
        {
            if (!quoted.TryGetValue(pcr, out var value) || replayed.Get(pcr) is not { } explained)
            {
                continue;
            }

            if (string.Equals(Convert.ToHexStringLower(explained), value, StringComparison.OrdinalIgnoreCase))
            {
                pcrs.Add(new PcrReference(pcr, [], Events(log, bank, pcr, labels)));
            }
            else if (pcr < FirmwarePcrs)
            {
                return CaptureRefusals.DoesNotReplay(host, pcr);
            }
            else
            {
                leftOut.Add(pcr);
            }
        }

        if (kind == BaselineKinds.Hypervisor)
        {
            pcrs.AddRange(LaunchPcrs.Where(pcr => quoted.ContainsKey(pcr) && IsLaunched(bank, quoted[pcr])).Select(pcr => new PcrReference(pcr, [quoted[pcr].ToLowerInvariant()], [])));
        }

        return pcrs.Count == 0
            ? CaptureRefusals.Nothing(host)
            : new BaselineContent((ushort)evidence.Bank, pcrs.ToImmutable(), clusters, Notes(evidence, host, leftOut));
    }

    private static bool IsLaunched(TpmAlgorithm bank, string value) => PcrMeaning.Classify(bank, Convert.FromHexString(value)) == PcrContent.Measured;

    private static ImmutableArray<EventReference> Events(EventLog log, TpmAlgorithm bank, int pcr, Dictionary<(int Pcr, string Digest), string> labels)
    {
        var events = ImmutableArray.CreateBuilder<EventReference>();
        foreach (var entry in log.Entries.Where(e => e.Pcr == pcr && e.IsExtended))
        {
            if (entry.TryGetDigest(bank, out var measured))
            {
                var digest = Convert.ToHexStringLower(measured.Span);
                events.Add(new EventReference((uint)entry.Type, [digest], labels.GetValueOrDefault((pcr, digest)) ?? Proven(entry, bank)));
            }
        }

        return events.ToImmutable();
    }

    // Only words the digest vouches for; whatever else the log says of an event is a claim and labels nothing.
    private static string Proven(EventLogEntry entry, TpmAlgorithm bank)
    {
        var words = EventDescription.Of(entry, bank).ProvenText?.Trim() ?? "";
        var label = words.Length <= ContentRules.LongestLabel ? words : words[..(ContentRules.LongestLabel - 1)].TrimEnd() + "…";
        return Text.IsOneLine(label) ? label : "";
    }

    private static Dictionary<(int Pcr, string Digest), string> Labels(BaselineContent? known)
    {
        var labels = new Dictionary<(int, string), string>();
        foreach (var pcr in known?.Pcrs ?? [])
        {
            foreach (var reference in pcr.Events.Where(e => e.Label.Length > 0))
            {
                foreach (var digest in reference.Digests)
                {
                    labels.TryAdd((pcr.Pcr, digest), reference.Label);
                }
            }
        }

        return labels;
    }

    private static string Notes(EvidenceRecord evidence, string host, List<int> leftOut)
    {
        var notes = $"Captured from {host}, evidence {evidence.Digest} of {evidence.IssuedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC.";
        return leftOut.Count == 0 ? notes : $"{notes} Left out, because the boot log does not explain their values: PCR {string.Join(", ", leftOut)}.";
    }
}

/// <summary>The ways a capture says no.</summary>
internal static class CaptureRefusals
{
    public static Refusal NoEvidence(string host) => Refusal.Conflict(
        "baseline.capture.no_evidence", $"{host} has not answered yet with evidence that could be captured.", "Attest the host, then capture.");

    public static Refusal NoLog(string host) => Refusal.Conflict(
        "baseline.capture.no_log", $"{host} sent no boot log, and without it nobody knows what its values stand for.", "Have the host's agent send its boot log, or write the baseline with whole values.");

    public static Refusal Failed(string host, FindingCode code) => Refusal.Conflict(
        "baseline.capture.failed", $"The latest evidence of {host} failed a check of its own ({code}), so it proves nothing.", "Mend the host, attest it again, then capture.");

    public static Refusal Unmeasured(string host, TpmRefusal why) => Refusal.Conflict(
        "baseline.capture.unmeasured", $"The firmware of {host} leaves this PCR bank unmeasured: {why.Message}", why.Remedy);

    public static Refusal Log(string host, TpmRefusal why) => Refusal.Conflict(
        "baseline.capture.log", $"The boot log of {host} cannot be read: {why.Message}", why.Remedy);

    public static Refusal DoesNotReplay(string host, int pcr) => Refusal.Conflict(
        "baseline.capture.replay", $"The boot log of {host} does not add up to its PCR {pcr}.", "Treat the host as tampered with until that is explained; capture from another.");

    public static Refusal Nothing(string host) => Refusal.Conflict(
        "baseline.capture.nothing", $"The latest evidence of {host} holds none of the PCRs of this kind.", "Attest the host again with those PCRs, then capture.");

    public static Refusal NoMeasurements(string host) => Refusal.Conflict(
        "baseline.capture.no_measurements", $"{host} sent no list of the files it used.", "Boot its kernel with an IMA policy (for example ima_policy=tcb ima_hash=sha256), and let its agent read /sys/kernel/security/ima.");

    public static Refusal Measurements(string host, string why) => Refusal.Conflict(
        "baseline.capture.measurements", $"The list of files that {host} sent proves nothing: {why}", "Treat what runs on the host as unknown until its list is explained; capture from another.");

    public static Refusal NoFiles(string host) => Refusal.Conflict(
        "baseline.capture.no_files", $"The list of files that {host} sent names none that could be approved.", "Boot its kernel with an IMA policy that measures programs, such as ima_policy=tcb with ima_hash=sha256.");

    public static Refusal OtherKind(string name) => Refusal.Invalid(
        "baseline.capture.kind", "kind", $"'{name}' is a baseline of another kind.", "Choose that kind, or create a new baseline.");
}
