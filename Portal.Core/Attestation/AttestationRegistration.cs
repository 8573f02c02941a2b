using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>Registers attestation.</summary>
public static class AttestationRegistration
{
    /// <summary>Adds the built-in verifier, rounds, re-appraisal, commands and the <c>trust</c> facet of hosts. Needs baselines, audit, storage and Quartz.</summary>
    public static IServiceCollection AddAttestation(this IServiceCollection services)
    {
        services.AddSingleton<IAttestationService, BuiltInVerifier>();
        services.AddSingleton<PolicyReader>();
        services.AddSingleton<TrustFacts>();
        services.AddSingleton<AttestationLedger>();
        services.AddSingleton<ReportWriter>();
        services.AddHostedService(provider => provider.GetRequiredService<ReportWriter>());
        services.AddSingleton<AttestationDesk>();
        services.AddSingleton<IAttestNow>(provider => provider.GetRequiredService<AttestationDesk>());
        services.AddSingleton<Reappraisal>();
        services.AddSingleton<IReappraisal>(provider => provider.GetRequiredService<Reappraisal>());
        services.AddSingleton<StalenessWatch>();
        services.AddSingleton<AttestHost>();
        services.AddSingleton<PolicyDesk>();
        services.AddSingleton<ChangeTrustPolicy>();
        services.AddSingleton<ConfirmTrustPolicy>();
        services.AddSingleton<RejectTrustPolicy>();
        services.AddSingleton<MoveHost>();
        services.AddSingleton<EnrolAttester>();
        services.AddSingleton<AttestationDirectory>();
        services.AddSingleton<HostExplanations>();
        services.AddSingleton<EvidenceBundle>();
        services.AddSingleton<TrustOverview>();
        services.AddSingleton<ImpactPreview>();
        services.AddSingleton<IHostFacet, TrustFacet>();
        services.AddSingleton<IHostFacet, SilenceFacet>();
        services.AddHostedService<RoundScheduler>();
        return services;
    }
}
