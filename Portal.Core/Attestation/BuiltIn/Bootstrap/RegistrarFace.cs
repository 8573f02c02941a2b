using System.Net;
using System.Net.Sockets;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>Where hosts find the registrar.</summary>
/// <param name="Address">The address or name hosts reach it by.</param>
/// <param name="HttpPort">Port without TLS; 0 when there is none.</param>
/// <param name="HttpsPort">Port with TLS; 0 when there is none.</param>
/// <param name="Enabled">Whether it listens at all.</param>
public sealed record RegistrarFace(string Address, int HttpPort, int HttpsPort, bool Enabled)
{
    /// <summary>A portal that takes no registrations.</summary>
    public static RegistrarFace None { get; } = new("", 0, 0, Enabled: false);

    /// <summary>Why hosts cannot be pointed at it; null when they can.</summary>
    public Refusal? Fault =>
        !Enabled ? Refusal.Conflict("bootstrap.registrar.off", "This portal takes no registrations of hosts.", "Set Portal:Registrar:Enabled where the portal is started.")
        : IsNoDestination(Address) ? Refusal.Conflict("bootstrap.registrar.address", $"Hosts cannot reach the registrar at '{Address}'.", "Set Portal:Registrar:PublicAddress to the address or name hosts reach this portal by.")
        : null;

    private static bool IsNoDestination(string address) =>
        !HostScript.IsAddress(address)
        || (IPAddress.TryParse(address, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any) || (ip.AddressFamily == AddressFamily.InterNetworkV6 && ip.ScopeId != 0)));
}
