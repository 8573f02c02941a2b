using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Access;

namespace Portal.Core.Audit;

/// <summary>Registers the room.</summary>
public static class AuditFeature
{
    /// <summary>Adds the audit and what writes refusals to it. Needs storage, Data Protection and the change feed.</summary>
    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<AccessControl>();
        return services;
    }
}
