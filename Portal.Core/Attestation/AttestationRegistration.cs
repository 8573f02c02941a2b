using System.Net;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Registers attestation.</summary>
public static class AttestationRegistration
{
    /// <summary>Adds the built-in verifier, rounds, re-appraisal, commands and the <c>trust</c> facet of hosts. Needs baselines, audit, storage and Quartz.</summary>
    public static IServiceCollection AddAttestation(this IServiceCollection services)
    {
        services.AddSingleton<IAttestationService, BuiltInVerifier>();
        services.AddSingleton<ServerSecrets>();
        services.AddSingleton<ServerClients>();
        services.AddSingleton<ServerHealth>();
        services.AddSingleton<ServiceDirectory>();
        services.AddSingleton<ServerAttesters>();
        services.AddSingleton<AddServer>();
        services.AddSingleton<EditServer>();
        services.AddSingleton<DecideServerChange>();
        services.AddSingleton<RemoveServer>();
        services.AddSingleton<TestServer>();
        services.AddSingleton<BindHost>();
        services.AddSingleton<ServerPolicies>();
        services.AddSingleton<PublicationReader>();
        services.AddSingleton<PublicationLedger>();
        services.AddSingleton<PublishNow>();
        services.AddSingleton<PlanPublicationStep>();
        services.AddSingleton<WritePoliciesStep>();
        services.AddSingleton<RecordPublicationStep>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<PublicationWork>(
            PublicationWork.Kind, provider.GetRequiredService<PlanPublicationStep>(), provider.GetRequiredService<WritePoliciesStep>(), provider.GetRequiredService<RecordPublicationStep>())
        {
            CancelTakes = Permission.ManageClusters,
        });
        services.AddSingleton<AttesterRevival>();
        services.AddSingleton<ControlAttester>();
        services.AddSingleton<AttesterLookStep>();
        services.AddSingleton<ReactivateStep>();
        services.AddSingleton<VerifiedAgainStep>();
        services.AddSingleton<RemoveAttesterStep>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<AttesterWork>(
            AttesterWork.Reactivate, provider.GetRequiredService<AttesterLookStep>(), provider.GetRequiredService<ReactivateStep>(), provider.GetRequiredService<VerifiedAgainStep>())
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.AddSingleton<IOperationKind>(provider => new OperationKind<AttesterWork>(AttesterWork.Remove, provider.GetRequiredService<RemoveAttesterStep>())
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.TryAddSingleton<VendorRoots>();
        services.AddSingleton<EnrolmentPlans>();
        services.AddSingleton<EnrolmentLookStep>();
        services.AddSingleton<EnrolmentProofStep>();
        services.AddSingleton<EnrolStep>();
        services.AddSingleton<EnrolledStep>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<AttesterWork>(
            AttesterWork.Enrol,
            provider.GetRequiredService<EnrolmentLookStep>(),
            provider.GetRequiredService<EnrolmentProofStep>(),
            provider.GetRequiredService<EnrolStep>(),
            provider.GetRequiredService<EnrolledStep>())
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.AddSingleton<PublicationWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<PublicationWatch>());
        services.AddSingleton<ServerPoll>();
        services.AddSingleton<ServerPolls>();
        services.AddSingleton<IEarlyReads>(provider => provider.GetRequiredService<ServerPolls>());
        services.AddHostedService(provider => provider.GetRequiredService<ServerPolls>());
        services.AddSingleton<PolicyReader>();
        services.AddSingleton<TrustFacts>();
        services.AddSingleton<TrustAnswers>();
        services.AddSingleton<AttestationLedger>();
        services.AddSingleton<ReportWriter>();
        services.AddHostedService(provider => provider.GetRequiredService<ReportWriter>());
        services.AddSingleton<AttestationDesk>();
        services.AddSingleton<IAttestNow>(provider => provider.GetRequiredService<AttestationDesk>());
        services.AddSingleton<AskingSlots>();
        services.AddSingleton<AttestationRounds>();
        services.AddSingleton<Reappraisal>();
        services.AddSingleton<IReappraisal>(provider => provider.GetRequiredService<Reappraisal>());
        services.AddSingleton<StalenessWatch>();
        services.AddSingleton<RoundUpkeep>();
        services.AddSingleton<AttestHost>();
        services.AddSingleton<AttestFleet>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<FleetScope>(
            AttestFleet.Kind,
            new AskHostsStep(provider.GetRequiredService<IDbContextFactory<PortalDbContext>>(), provider.GetRequiredService<AttestationRounds>(), provider.GetRequiredService<TimeProvider>()))
        {
            CancelTakes = Permission.ManageHosts,
        });
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

    /// <summary>Adds what lets hosts' own agents register with the portal and be asked by it. Needs attestation, inventory and data protection.</summary>
    /// <param name="services">The services.</param>
    /// <param name="networks">Networks in which the portal may connect to agents; none allows nothing.</param>
    /// <param name="face">Where hosts find the registrar; null when they cannot.</param>
    public static IServiceCollection AddAgentRegistration(this IServiceCollection services, IReadOnlyList<IPNetwork> networks, RegistrarFace? face = null)
    {
        services.AddSingleton(face ?? RegistrarFace.None);
        services.AddSingleton<HostScripts>();
        services.AddSingleton<EnrolmentTickets>();
        services.TryAddSingleton<PreparationLimits>();
        services.AddSingleton<SshReach>();
        services.AddSingleton<Preparations>();
        services.AddSingleton<IPreparationsUnderWay>(provider => provider.GetRequiredService<Preparations>());
        services.AddSingleton<CancelWatch>();
        services.AddSingleton<SignInStep>();
        services.AddSingleton<RunScriptStep>();
        services.AddSingleton<ExpectStep>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<PreparationWork>(
            PreparationWork.Kind, provider.GetRequiredService<SignInStep>(), provider.GetRequiredService<RunScriptStep>(), provider.GetRequiredService<ExpectStep>())
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.AddSingleton<PrepareHost>();
        services.AddSingleton<PreparationOutput>();
        services.AddSingleton(new AgentNetworks(networks));
        services.AddSingleton<AgentContacts>();
        services.AddSingleton<AgentAuthority>();
        services.AddSingleton<AgentConnections>();
        services.AddSingleton<IAttesterChannel, KeylimeAgentChannel>();
        services.AddSingleton<PendingChallenges>();
        services.AddSingleton<Registrar>();
        services.AddSingleton<VendorRoots>();
        services.AddSingleton<RegistrationDirectory>();
        services.AddSingleton<RegistrationDesk>();
        services.AddSingleton<AcceptAttester>();
        services.AddSingleton<DismissAttester>();
        services.AddSingleton<AttesterMatches>();
        services.AddSingleton<ReplaceAttester>();
        services.AddSingleton<EnrolRegistered>();
        services.AddSingleton<AgentProbe>();
        services.AddSingleton<ReplaceAgentAuthority>();
        return services;
    }
}
