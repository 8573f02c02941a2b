using Portal.Components.AttestationServices;
using Portal.Core.Changes;
using Portal.Extensions;
using Portal.Telemetry;

namespace Portal;

/// <summary>What attestation services add to pages they do not own.</summary>
public static class ServicesFeature
{
    /// <summary>Adds the contributions; the services themselves are the core's.</summary>
    public static IServiceCollection AddServicesFeature(this IServiceCollection services) => services
        .Contribute(new SettingsSection("services", "Attestation services", 405, typeof(ServicesSection)))
        .Contribute(new AttentionSource(90, [ChangeTopic.Service, ChangeTopic.Attestation, ChangeTopic.Cluster], ServiceAttention.FindAsync))
        .AddHostedService<ServiceMetrics>();
}
