using System.Net;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.OpenAttestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;
using Portal.Profiles;
using Quartz;

namespace Portal;

/// <summary>Everything the portal knows and does, below the pages and the REST API.</summary>
public static class CoreFeature
{
    private const int OperationsAtOnce = 16;

    public static void AddCore(this WebApplicationBuilder builder, PortalProfile profile)
    {
        var services = builder.Services;
        services.AddAudit();
        services.AddInventory();
        services.AddBaselines();
        services.AddAttestation();
        services.AddKeylime();
        services.AddOpenAttestation();
        services.AddAgentRegistration([.. profile.Registrar.Networks.Select(IPNetwork.Parse)], profile.Registrar.Face);
        services.AddPlacement();
        services.AddSingleton<IHostFilter, TrustFilter>();
        services.AddVirtualization();
        services.AddLibvirt(new LibvirtOptions { AllowsUnprotected = profile.IsDemo });
        services.AddOperations();
        services.AddQuartz(quartz => quartz.UseDefaultThreadPool(pool => pool.MaxConcurrency = OperationsAtOnce));
        services.AddQuartzHostedService();
    }
}
