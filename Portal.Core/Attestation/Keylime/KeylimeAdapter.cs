using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>Keylime as an attestation server.</summary>
/// <param name="time">Our clock.</param>
/// <param name="networks">Networks in which agents that are enrolled may be asked; null for none.</param>
public sealed class KeylimeAdapter(TimeProvider time, AgentNetworks? networks = null) : IServerAdapter
{
    /// <inheritdoc/>
    public ServiceType Type => ServiceType.Keylime;

    /// <inheritdoc/>
    public IServerClient Open(ServerConnection connection) => new KeylimeClient(connection, new ServerHttp(connection, time), networks, time);
}

/// <summary>Registers Keylime.</summary>
public static class KeylimeFeature
{
    /// <summary>Lets servers be of type <see cref="ServiceType.Keylime"/>.</summary>
    public static IServiceCollection AddKeylime(this IServiceCollection services) => services.AddSingleton<IServerAdapter, KeylimeAdapter>().AddSingleton<KeylimeHook>();
}
