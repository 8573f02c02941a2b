using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Access;

namespace Portal.Core.Audit;

/// <summary>Registers the room.</summary>
public static class AuditFeature
{
    /// <summary>Adds the audit, its chain and its queries, and what writes refusals to it. Needs storage, Data Protection, the change feed and a clock.</summary>
    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<AccessControl>();
        services.TryAddSingleton<Sessions>();
        services.AddSingleton<AuditKey>();
        services.AddSingleton<AuditChain>();
        services.AddSingleton<AuditDirectory>();
        services.AddHostedService<AuditSealing>();
        return services;
    }
}
