using System.Net;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>The networks in which the portal may connect to agents: what an agent says of its address leads nowhere else.</summary>
/// <param name="networks">The networks; none allows nothing.</param>
public sealed class AgentNetworks(IReadOnlyList<IPNetwork> networks)
{
    /// <summary>The networks.</summary>
    public IReadOnlyList<IPNetwork> All => networks;

    /// <summary>Whether an address lies in one of them.</summary>
    public bool Allow(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return networks.Any(network => network.Contains(plain));
    }

    /// <summary>The addresses of a name that lie in one of them.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">The name cannot be resolved.</exception>
    public async Task<IReadOnlyList<IPAddress>> ResolveAsync(string name, CancellationToken ct) => [.. (await AddressesAsync(name, ct)).Where(Allow)];

    /// <summary>The addresses of a name, wherever they lie.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">The name cannot be resolved.</exception>
    internal static async Task<IReadOnlyList<IPAddress>> AddressesAsync(string name, CancellationToken ct) =>
        IPAddress.TryParse(name, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(name, ct);
}
