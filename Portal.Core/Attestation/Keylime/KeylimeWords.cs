using System.Globalization;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier says of an agent, in plain words. Text of the server's is made harmless first.</summary>
internal static class KeylimeWords
{
    private const string LookAtLog = "Look at the verifier's log for this agent.";
    private const int LongestTag = 80;

    /// <summary>PCRs that only the firmware extends; the boot loader and all later ones come after it. As captures of baselines divide them.</summary>
    private static readonly int[] FirmwarePcrs = [0, 1, 2, 3, 5, 6, 7];

    public static Finding NotEnrolled(string id) => new(
        FindingCode.NotEnrolled, $"Keylime does not verify an agent {Safe(id)}.", "Enrol it with the verifier, or correct the name this host has on this server.") { Short = "not enrolled in Keylime" };

    public static Finding Queued() => new(
        FindingCode.ServerNotVerifying, "Keylime has not asked this host yet.", "Wait a little; if it stays so, look whether the verifier is overloaded.") { Short = "waits for Keylime" };

    public static Finding Removing() => new(
        FindingCode.ServerNotVerifying, "Keylime is removing this host's agent.", "Wait until it is gone, and enrol it again if it shall be verified.") { Short = "being removed from Keylime" };

    public static Finding Stopped() => new(
        FindingCode.ServerNotVerifying,
        "Keylime was told to stop verifying this host. It cannot be started again as it is: reactivating a stopped agent is accepted and does nothing.",
        "Remove the agent from the verifier and enrol it again.") { Short = "stopped in Keylime" };

    public static Finding NoCount() => new(
        FindingCode.UnknownWord, "This Keylime does not say how often it attested the host, so nothing tells new evidence from old.", "Update Keylime.") { Short = "Keylime tells no count" };

    public static Finding UnknownState(int? state) => new(
        FindingCode.UnknownWord,
        state is { } number ? $"Keylime says that this host is in state {number.ToString(CultureInfo.InvariantCulture)}, which is not known here." : "Keylime does not say in which state this host is.",
        "Update the portal if Keylime was updated; until then nothing is concluded from it.") { Short = "unknown state in Keylime" };

    public static Finding UnknownWord(string? word) => new(
        FindingCode.UnknownWord,
        word is null ? "Keylime does not say how this host, which sends its evidence by itself, was attested." : $"Keylime says '{Safe(word)}' of this host, which means nothing here.",
        "Update the portal if Keylime was updated, or Keylime if it is older than 7.14; until then nothing is concluded from it.") { Short = "unknown word of Keylime" };

    /// <summary>Nothing new for longer than it ever takes, whatever the label says.</summary>
    public static Finding Silent(TimeSpan since, string? word) => new(
        FindingCode.AgentSilent,
        $"Keylime has had no new evidence of this host for {Span(since)}{(word is null ? "" : $", though it still says {Safe(word)}")}.",
        "Look whether the host is up and its agent runs, and whether this host's verifier does.") { Short = "no new evidence in Keylime" };

    /// <summary>An agent that sends by itself and does not any more.</summary>
    public static Finding SentNothing() => new(
        FindingCode.AgentSilent, "The agent on this host has stopped sending evidence to Keylime.", "Look whether the host is up and its agent runs; it recovers by itself.") { Short = "agent silent" };

    /// <summary>An agent that sends by itself and failed once.</summary>
    public static Finding PushFailed() => new(
        FindingCode.ServerFoundMismatch,
        "Keylime verified evidence that this host sent, and found that it does not match its policy. In this mode it does not say where, and later matching evidence does not change its word.",
        "Look at the verifier's log. When the host is as it should be, remove its agent from the verifier and enrol it again.") { Short = "Keylime found a mismatch" };

    /// <summary>State 7: the verifier gave up, which says nothing about what the host booted.</summary>
    public static HostStatement.Trouble GaveUp(Guid hostId, string? tag)
    {
        const string Again = "Keylime does not ask again by itself: reactivate it when the cause is mended.";
        return tag switch
        {
            null or "" or "internal.verifier.not_reachable" => new(hostId, CheckOutcome.AgentUnreachable, new Finding(
                FindingCode.AgentSilent, "Keylime could not reach the agent on this host, and gave up.", $"Bring the host and its agent up. {Again}") { Short = "agent silent" }),
            "internal.verifier.no_quote" => new(hostId, CheckOutcome.TpmError, new Finding(
                FindingCode.TpmFailed, "The agent on this host gave Keylime no quote of its TPM.", $"Look at the agent's log on the host. {Again}") { Short = "agent gives no quote" }),
            "internal.verifier.version_not_supported" => new(hostId, CheckOutcome.ProtocolError, new Finding(
                FindingCode.ServerNotVerifying, "Keylime does not speak the version of the agent on this host.", $"Update the agent or Keylime. {Again}") { Short = "agent's version not supported" }),
            _ => new(hostId, CheckOutcome.AgentUnreachable, new Finding(
                FindingCode.ServerNotVerifying, $"Keylime stopped verifying this host after it could not go on. The worst it ever noted of it is {Safe(tag)}.", $"{LookAtLog} {Again}") { Short = "Keylime gave up" }),
        };
    }

    /// <summary>State 9: the tag of a failed verification in words. Source: keylime/failure.py.</summary>
    public static Finding Mismatch(string? tag)
    {
        const string Mend = "Compare the host with what its policy approves. When it is as it should be, reactivate its agent: Keylime does not ask again by itself.";
        var last = tag is null ? "" : tag[(tag.LastIndexOf('.') + 1)..];
        if (tag is not null && Pcr(last) is { } pcr)
        {
            var meaning = PcrMeaning.Of(pcr);
            var boot = tag.StartsWith("measured_boot", StringComparison.Ordinal);
            return Found(
                boot
                    ? $"Keylime found that PCR {pcr} of this host is not what its boot log leads to ({Lower(meaning.Measures)})."
                    : $"Keylime found that PCR {pcr} of this host has a value its policy does not approve ({Lower(meaning.Measures)}).",
                Mend,
                $"{meaning.Name} not approved (PCR {pcr})") with { Pcr = pcr, Kind = KindOf(pcr) };
        }

        return tag switch
        {
            null or "" => Found("Keylime found that this host does not match, and does not say where.", $"{LookAtLog} {Mend}", "Keylime found a mismatch"),
            _ when last == "missing_pcrs" => Found("The host's quote lacks PCRs that its policy in Keylime covers.", Mend, "quote lacks PCRs"),
            _ when tag.StartsWith("measured_boot", StringComparison.Ordinal) =>
                Found($"Keylime found that what this host booted does not match its measured-boot policy ({Safe(tag)}).", Mend, "boot not approved") with { Kind = BaselineKinds.Hypervisor },
            _ when last == "not_in_allowlist" =>
                Found("Keylime found that this host used a file whose content its runtime policy does not approve.", $"{LookAtLog} It names the file. {Mend}", "file not approved") with { Kind = BaselineKinds.Runtime, Pcr = ImaPcr },
            _ when tag.StartsWith("ima", StringComparison.Ordinal) =>
                Found($"Keylime found that the kernel's measurement list of this host does not match its runtime policy ({Safe(tag)}).", $"{LookAtLog} {Mend}", "files not approved") with { Kind = BaselineKinds.Runtime, Pcr = ImaPcr },
            _ when last == "quote_validation" => Found(
                "The quote of this host failed Keylime's check: signature, nonce, digest or the TPM's clock.",
                $"If the host lost power without shutting its TPM down, shut it down in order once and boot it again, because Keylime takes an unsafe clock for a failure. {Mend}",
                "quote not valid"),
            _ when last == "invalid_hash_alg" => Found("The quote of this host uses a hash that its policy in Keylime does not accept.", Mend, "hash not accepted"),
            _ when tag.StartsWith("qoute_validation", StringComparison.Ordinal) || tag.StartsWith("quote_validation", StringComparison.Ordinal) =>
                Found($"The quote of this host failed Keylime's check ({Safe(tag)}).", $"{LookAtLog} {Mend}", "quote not valid"),
            _ => Found($"Keylime found that this host does not match ({Safe(tag)}).", $"{LookAtLog} {Mend}", "Keylime found a mismatch"),
        };
    }

    /// <summary>Text of a server's, fit for a sentence.</summary>
    public static string Safe(string text) => ClaimedText.Safe(text, LongestTag);

    /// <summary>A time in the largest unit that fits.</summary>
    public static string Span(TimeSpan span) => span.TotalSeconds < 120 ? $"{Text(span.TotalSeconds)} s"
        : span.TotalMinutes < 120 ? $"{Text(span.TotalMinutes)} min"
        : $"{Text(span.TotalHours)} h";

    private const int ImaPcr = 10;

    private static Finding Found(string sentence, string remedy, string few) => new(FindingCode.ServerFoundMismatch, sentence, remedy) { Short = few };

    private static int? Pcr(string last) =>
        last.StartsWith("invalid_pcr_", StringComparison.Ordinal) && int.TryParse(last.AsSpan("invalid_pcr_".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var pcr) && pcr < PcrMask.PcrCount
            ? pcr
            : null;

    private static BaselineKinds KindOf(int pcr) => pcr == ImaPcr ? BaselineKinds.Runtime : FirmwarePcrs.Contains(pcr) ? BaselineKinds.Firmware : BaselineKinds.Hypervisor;

    private static string Lower(string text) => text.Length > 1 && char.IsLower(text[1]) ? char.ToLowerInvariant(text[0]) + text[1..] : text;

    private static string Text(double number) => ((long)number).ToString(CultureInfo.InvariantCulture);
}
