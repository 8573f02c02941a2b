using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Virtualization.Connecting;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Registers hosts with a libvirt.</summary>
public static class LibvirtRegistration
{
    /// <summary>Adds the adapter. libvirt itself is looked for when the first host is connected.</summary>
    /// <param name="services">The services.</param>
    /// <param name="options">How hosts are spoken to.</param>
    public static IServiceCollection AddLibvirt(this IServiceCollection services, LibvirtOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<LibvirtConnections>();
        services.AddHostedService(provider => provider.GetRequiredService<LibvirtConnections>());
        services.AddSingleton<IHypervisor, LibvirtHypervisor>();
        services.AddSingleton<IHypervisorProbe, LibvirtProbe>();
        return services;
    }
}
