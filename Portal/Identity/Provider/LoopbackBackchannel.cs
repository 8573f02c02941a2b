using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Portal.Identity.Provider;

/// <summary>Takes what the portal asks its own provider to the address this process listens on, whichever that is.</summary>
/// <param name="server">Knows the address once it listens.</param>
internal sealed class LoopbackBackchannel(IServer server) : DelegatingHandler(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false })
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.RequestUri = new Uri(Address(), request.RequestUri!.PathAndQuery);
        return base.SendAsync(request, cancellationToken);
    }

    private Uri Address()
    {
        var addresses = server.Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        var address = addresses.OrderBy(a => a.StartsWith("https:", StringComparison.OrdinalIgnoreCase)).FirstOrDefault()
            ?? throw new InvalidOperationException("The portal listens nowhere, so it cannot ask its own provider.");
        return new Uri(address);
    }
}
