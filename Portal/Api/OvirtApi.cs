using Microsoft.Extensions.Options;
using Portal.Core.Access;
using Portal.Identity;

namespace Portal.Api;

/// <summary>Settings of the REST API.</summary>
public sealed class OvirtApiOptions
{
    /// <summary>How long a call waits for the operation it began before it answers 202 and leaves it going.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(60);
}

/// <summary>The oVirt-compatible REST API, version 4, in XML and JSON.</summary>
public static class OvirtApi
{
    /// <summary>Where it answers: today's path, with and without the version, and the two that clients of 2012 know.</summary>
    internal static readonly IReadOnlyList<string> BasePaths = ["/ovirt-engine/api", "/ovirt-engine/api/v4", "/api", "/rhevm-api"];

    /// <summary>Adds the API's resources. Needs the core's inventory, operations, placement, virtualization and attestation.</summary>
    public static IServiceCollection AddOvirtApi(this IServiceCollection services)
    {
        services.AddOptions<OvirtApiOptions>();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<OvirtApiOptions>>().Value);
        services.AddSingleton<IStartupFilter, ApiFront>();
        services.AddSingleton<VmOperation>();
        services.AddSingleton<RootResource>();
        services.AddSingleton<IApiResource, VmsResource>();
        services.AddSingleton<IApiResource, VmActionsResource>();
        services.AddSingleton<IApiResource, HostsResource>();
        services.AddSingleton<IApiResource, HostChangesResource>();
        services.AddSingleton<IApiResource, UnmanagedVmsResource>();
        services.AddSingleton<IApiResource, HostAttesterResource>();
        services.AddSingleton<IApiResource, ClustersResource>();
        services.AddSingleton<IApiResource, TemplatesResource>();
        services.AddSingleton<IApiResource, BaselinesResource>();
        services.AddSingleton<IApiResource, AttestersResource>();
        services.AddSingleton<IApiResource, AttestationServicesResource>();
        services.AddSingleton<IApiResource, ServiceHostsResource>();
        services.AddSingleton<IApiResource, FleetAttestationResource>();
        services.AddSingleton<IApiResource, JobsResource>();
        services.AddSingleton<IApiResource, BootstrapResource>();
        services.AddSingleton<IApiResource, PreparationsResource>();
        return services;
    }

    /// <summary>Serves the API at each of its base paths.</summary>
    public static IEndpointRouteBuilder MapOvirtApi(this IEndpointRouteBuilder endpoints)
    {
        var services = endpoints.ServiceProvider;
        var (access, log) = (services.GetRequiredService<AccessControl>(), services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(OvirtApi)));
        foreach (var basePath in BasePaths)
        {
            var routes = new ApiRoutes(endpoints.MapGroup(basePath).RequireRestCaller(), basePath, access, log);
            services.GetRequiredService<RootResource>().Map(routes);
            foreach (var resource in services.GetServices<IApiResource>())
            {
                resource.Map(routes);
            }

            routes.Otherwise();
        }

        return endpoints;
    }
}
