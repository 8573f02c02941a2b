using MudBlazor;
using Portal.Components.Attestation;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal;

/// <summary>What attestation adds to pages it does not own: the Trust column and chips, a host's tab and header, actions, cards of the Overview.</summary>
public static class AttestationFeature
{
    /// <summary>Adds the contributions; the attestation itself is the core's.</summary>
    public static IServiceCollection AddAttestationFeature(this IServiceCollection services)
    {
        services.AddSingleton<TrustBoard>();
        services.Contribute(new HostColumn(TrustFacet.FacetName, "Trust", 200, TrustCell.Cell) { Topics = [ChangeTopic.Attestation], Room = ColumnRoom.Narrow });
        services.Contribute(new HostFacetLook(TrustFacet.FacetName, TrustLook.ToneOf)
        {
            Topics = [ChangeTopic.Attestation],
            NeedAttention = ["untrusted", "stale"],
        });
        services.Contribute(new HostFacetLook(SilenceFacet.FacetName, static _ => Tone.Old) { Topics = [ChangeTopic.Attestation] });
        services.Contribute(new HostsSubPart(100, typeof(LastEvidence)));
        services.Contribute(new HostsHeadPart(100, typeof(AttestAll)));
        services.Contribute(new HostsHeadPart(100, typeof(FleetProgress)) { IsBelow = true });
        services.Contribute(new HostHeaderPart(100, typeof(TrustTag)));
        services.Contribute(new HostHeaderPart(200, typeof(TrustSub)) { IsSub = true });
        services.Contribute(new HostTab("attestation", "Attestation", 400, typeof(AttestationTab)));
        services.Contribute(new AdditionalEndpoints(EvidenceDownload.Map));
        services.Contribute(new HostAction("attest", "Attest now", Icons.Material.Outlined.VerifiedUser, 100, Permission.ManageHosts, AttestAsync));
        services.Contribute(new OverviewCard(200, typeof(ClusterTrustCard)));
        services.Contribute(new OverviewCard(250, typeof(EvidenceAgeCard)));
        services.Contribute(new OverviewCard(300, typeof(DriftCard)) { Wide = true });
        services.Contribute(new OverviewCard(400, typeof(HealthCard)));
        services.Contribute(new AttentionSource(100, [ChangeTopic.Attestation, ChangeTopic.Host], AttestationAttention.HostsAsync));
        services.Contribute(new AttentionSource(200, [ChangeTopic.VirtualMachine], AttestationAttention.MachinesAsync));
        return services.AddTrustLevelField();
    }

    /// <summary>Attests a host and says what came of it.</summary>
    internal static async Task<Outcome<string>> AttestAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<AttestHost>().ExecuteAsync(caller, host.Id, ct);
        if (!outcome.Succeeded)
        {
            return outcome.Refusal;
        }

        var trust = HostTrust.Of(outcome.Value, services.GetRequiredService<TimeProvider>().GetUtcNow());
        var said = outcome.Value.Outcome is CheckOutcome.Ok or CheckOutcome.ProtocolError ? "" : "no new evidence came; ";
        return $"{host.Name}: {said}{trust.Status.ToString().ToLowerInvariant()}{(trust.Reason.Length > 0 ? $", {trust.Reason}" : "")}.";
    }
}
