using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>Registers what happens when a host loses trust or goes to maintenance.</summary>
internal static class LostTrustRegistration
{
    /// <summary>Adds the reactions, the operations that empty hosts, and their commands.</summary>
    public static IServiceCollection AddLostTrust(this IServiceCollection services)
    {
        services.AddSingleton<EvacuationDesk>();
        services.AddSingleton<Departures>();
        services.AddSingleton<MoveAwayStep>();
        services.AddSingleton<MaintenanceDesk>();
        services.AddSingleton<IOperationKind>(p => new OperationKind<EvacuationWork>(EvacuationOperations.Evacuate, p.GetRequiredService<MoveAwayStep>())
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.AddSingleton<IOperationKind>(p => new OperationKind<EvacuationWork>(
            EvacuationOperations.Maintenance,
            new PrepareStep(p.GetRequiredService<MaintenanceDesk>()),
            p.GetRequiredService<MoveAwayStep>(),
            new EnterMaintenanceStep(p.GetRequiredService<MaintenanceDesk>()))
        {
            CancelTakes = Permission.ManageHosts,
        });
        services.AddSingleton<ChangeHostState>();
        services.AddSingleton<QuarantineHost>();
        services.AddSingleton<ReleaseHost>();
        services.AddSingleton<LetReactionGoOn>();
        services.AddSingleton<DismissReaction>();
        services.AddSingleton<ReactionDirectory>();
        services.AddSingleton<IHostFacet, ReactionFacet>();
        services.AddSingleton<ReactionLedger>();
        services.AddSingleton(p => new Reactions(
            p.GetRequiredService<ReactionLedger>(),
            p.GetRequiredService<IDbContextFactory<PortalDbContext>>(),
            p.GetRequiredService<VmStore>(),
            p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<IChangeFeed>(),
            p.GetRequiredService<TimeProvider>(),
            p.GetRequiredService<ILogger<Reactions>>()));
        services.AddHostedService(p => p.GetRequiredService<Reactions>());
        services.AddSingleton<IWatchMachines>(p => p.GetRequiredService<Reactions>());
        return services;
    }
}
