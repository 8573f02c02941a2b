using Portal.Agents;
using Portal.Components.Enrolment;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal;

/// <summary>What hosts that register themselves add to pages: the page Enrolment, the way to it, and what needs attention there.</summary>
public static class EnrolmentFeature
{
    /// <summary>Adds the contributions; registering itself is the core's and the listener's.</summary>
    public static IServiceCollection AddEnrolmentFeature(this IServiceCollection services) => services
        .Contribute(new HostsSubPart(200, typeof(WaitingAttesters)))
        .Contribute(new AttentionSource(50, [ChangeTopic.Attester], AttentionAsync))
        .Contribute(new HostIdentityPart(100, typeof(RegisteredIdentity)))
        .Contribute(new HostGeneralPart(200, typeof(AttesterCard)))
        .Contribute(new SettingsSection("agents", "Hosts' agents", 410, typeof(AgentsSection)))
        .Contribute(new SettingsSection("tpm-makers", "TPM makers", 420, typeof(VendorRootsSection)))
        .Contribute(new AdditionalEndpoints(AuthorityDownload.Map))
        .Contribute(new AdditionalEndpoints(ScriptDownload.Map));

    private static async Task<IReadOnlyList<AttentionLine>> AttentionAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var (waiting, incidents) = await services.GetRequiredService<RegistrationDirectory>().CountAsync(ct);
        var lines = new List<AttentionLine>();
        if (incidents > 0)
        {
            lines.Add(new AttentionLine(
                Tone.Bad,
                incidents == 1 ? "A TPM registered under another's name" : $"{incidents:N0} TPMs registered under others' names",
                "a security incident, or a TPM that was exchanged",
                null,
                "Look at it",
                EnrolmentLook.Href) { Count = incidents });
        }

        if (waiting > 0)
        {
            lines.Add(new AttentionLine(
                Tone.Old,
                waiting == 1 ? "1 host waits to be enrolled" : $"{waiting:N0} hosts wait to be enrolled",
                waiting == 1 ? "its agent registered itself" : "their agents registered themselves",
                null,
                "Enrolment",
                EnrolmentLook.Href) { Count = waiting });
        }

        return lines;
    }
}
