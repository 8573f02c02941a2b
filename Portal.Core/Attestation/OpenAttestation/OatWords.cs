using System.Globalization;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>What a server says of a host, in plain words. Its own text is made harmless first.</summary>
internal static class OatWords
{
    private const string Mend = "Compare the host with its white list. An update that was planned is written and approved as a baseline here; anything else keeps the host out.";

    /// <summary>PCRs that only the firmware extends; the others belong to the measured launch and what it loads.</summary>
    private const int LastFirmwarePcr = 7;

    /// <summary>1.x: never enrolled. 2.x: any fault at all, from "not registered" to "agent down".</summary>
    public static Finding Unknown(string name) => new(
        FindingCode.NotEnrolled,
        $"The attestation server cannot say anything of '{OatJson.Shown(name)}': it is not registered there, has no white list, or could not be measured.",
        "Look at the server's list of hosts and its log; the host's name there must be the one given here.") { Short = "unknown to OpenAttestation" };

    public static Finding Timeout() => new(
        FindingCode.AgentSilent, "The host's agent did not report to the attestation server in time.", "Check that the host is up, its OpenAttestation agent runs and reaches the server.") { Short = "agent silent" };

    public static Finding Pending() => new(
        FindingCode.ServerNotVerifying, "The attestation server has no result of this host yet.", "Wait a little; if it stays so, look whether the server is overloaded.") { Short = "waits for OpenAttestation" };

    public static Finding Odd(string word) => new(
        FindingCode.UnknownWord,
        word.Length == 0 ? "The attestation server does not say whether the host is trusted." : $"The attestation server says '{OatJson.Shown(word)}' of this host, which means nothing here.",
        "Look what answers at the server's address, and update the portal if the server was updated; until then nothing is concluded from it.") { Short = "unknown word of OpenAttestation" };

    /// <summary>The question for this host, with others, was not answered.</summary>
    public static HostStatement NoAnswer(BoundHost host, string server, ServerException fault) => new HostStatement.Trouble(
        host.HostId,
        CheckOutcome.ServiceUnreachable,
        new Finding(FindingCode.ServiceSilent, $"{server} cannot say anything of this host: {fault.Message}", fault.Remedy) { Short = $"{server} does not answer" });

    /// <summary>1.x: called untrusted once, which it does after any change, and could not be asked once more.</summary>
    public static HostStatement Doubted(Guid hostId) => new HostStatement.Trouble(
        hostId,
        CheckOutcome.Queued,
        new Finding(
            FindingCode.ServerNotVerifying,
            "The attestation server called this host untrusted, as it does once after any change, also an approved one, and could not be asked once more.",
            "Wait for the next question: what the server says then counts.") { Short = "asked once more" });

    /// <summary>Untrusted, and no reason was to be had.</summary>
    public static Finding Untrusted() => new(FindingCode.ServerFoundMismatch, "The attestation server measured this host and found that it does not match its white list; it does not say where.", Mend) { Short = "does not match its white list" };

    /// <summary>Untrusted in one of the two parts.</summary>
    public static Finding Part(BaselineKinds kind) => kind == BaselineKinds.Firmware
        ? new(FindingCode.ServerFoundMismatch, "The attestation server found that the host's firmware (its BIOS MLE) does not match its white list.", Mend) { Short = "firmware not in its white list", Kind = kind }
        : new(FindingCode.ServerFoundMismatch, "The attestation server found that the host's hypervisor (its VMM MLE) does not match its white list.", Mend) { Short = "hypervisor not in its white list", Kind = kind };

    /// <summary>A PCR differs.</summary>
    public static Finding Pcr(int pcr, string? measured, string? expected)
    {
        var meaning = PcrMeaning.Of(pcr);
        return new(FindingCode.ServerFoundMismatch, string.Create(CultureInfo.InvariantCulture, $"PCR {pcr} of this host ({meaning.Name}) is not the value in its white list."), Mend)
        {
            Short = string.Create(CultureInfo.InvariantCulture, $"{meaning.Name} not in its white list (PCR {pcr})"),
            Pcr = pcr,
            Measured = measured,
            Expected = expected,
            Kind = pcr <= LastFirmwarePcr ? BaselineKinds.Firmware : BaselineKinds.Hypervisor,
        };
    }

    /// <summary>1.x: the report differs from the one before, which an update does once.</summary>
    public static Finding Report() => new(
        FindingCode.ServerFoundMismatch, "The attestation server found that the host's report is not the one it sent before.", Mend) { Short = "other report than before" };
}
