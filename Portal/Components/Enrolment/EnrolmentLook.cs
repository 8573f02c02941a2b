using Portal.Components.Shared;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;

namespace Portal.Components.Enrolment;

/// <summary>How registrations of hosts' agents look and what they are called.</summary>
internal static class EnrolmentLook
{
    /// <summary>Where the page is.</summary>
    public const string Href = "/hosts/enrolment";

    public static Tone Tone(this EndorsementVerdict verdict) => verdict switch
    {
        EndorsementVerdict.Valid => Shared.Tone.Ok,
        EndorsementVerdict.VirtualTpm => Shared.Tone.Old,
        EndorsementVerdict.NoCertificate => Shared.Tone.Unknown,
        EndorsementVerdict.Unreadable => Shared.Tone.Unknown,
        EndorsementVerdict.NotForEndorsement => Shared.Tone.Bad,
        EndorsementVerdict.KeyDiffers => Shared.Tone.Bad,
        EndorsementVerdict.UnknownIssuer => Shared.Tone.Unknown,
        EndorsementVerdict.OutOfDate => Shared.Tone.Old,
    };

    public static string Word(this EndorsementVerdict verdict) => verdict switch
    {
        EndorsementVerdict.Valid => "Maker vouches",
        EndorsementVerdict.VirtualTpm => "Virtual TPM",
        EndorsementVerdict.NoCertificate => "No certificate",
        EndorsementVerdict.Unreadable => "Not readable",
        EndorsementVerdict.NotForEndorsement => "Wrong certificate",
        EndorsementVerdict.KeyDiffers => "Another key",
        EndorsementVerdict.UnknownIssuer => "Unknown maker",
        EndorsementVerdict.OutOfDate => "Out of date",
    };

    public static Tone Tone(this ProbeResult result) => result switch
    {
        ProbeResult.Good => Shared.Tone.Ok,
        ProbeResult.Wrong => Shared.Tone.Bad,
        ProbeResult.NotKnown => Shared.Tone.Unknown,
    };

    public static string Word(this ProbeResult result) => result switch
    {
        ProbeResult.Good => "Good",
        ProbeResult.Wrong => "Wrong",
        ProbeResult.NotKnown => "Not known",
    };

    public static string Word(this ProbeStep step) => step switch
    {
        ProbeStep.Name => "Name",
        ProbeStep.Network => "Network",
        ProbeStep.Port => "Port",
        ProbeStep.Certificate => "Certificate",
        ProbeStep.Admission => "Lets us in",
        ProbeStep.Version => "Version",
        ProbeStep.Clock => "Clock",
    };

    /// <summary>Where an agent says it listens.</summary>
    public static string At(RegisteredAttester attester) =>
        attester.Address.Length == 0 ? "no address" : attester.Address.Contains(':', StringComparison.Ordinal) ? $"[{attester.Address}]:{attester.Port}" : $"{attester.Address}:{attester.Port}";

    /// <summary>A hash in groups of eight digits, for comparing by eye.</summary>
    public static IEnumerable<string> Groups(string hash) => hash.Chunk(8).Select(group => new string(group));

    /// <summary>Names in a sentence: "ada and eve".</summary>
    public static string Names(IReadOnlyList<string> names) =>
        names.Count < 2 ? string.Concat(names) : $"{string.Join(", ", names.SkipLast(1))} and {names[^1]}";
}
