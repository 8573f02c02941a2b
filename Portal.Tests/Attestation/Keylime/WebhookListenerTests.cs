using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Agents;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Profiles;
using Portal.Tests.Attestation.Outside;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>The listener itself, over TLS.</summary>
public sealed class WebhookListenerTests
{
    private const string Notice = """{"msg":"{\"type\":\"revocation\",\"agent_id\":\"there-kvm-a01\"}","signature":""}""";

    [Fact]
    public async Task Notice_FromWhomAVerifiersAuthorityVouchesFor_HasThatVerifierRead()
    {
        await using var served = await ServedPool.StartAsync();
        var reads = new Counted();
        using var listener = Make(served, reads);
        await listener.StartAsync(served.Ct);
        var address = await AddressAsync(listener, served.Ct);

        using var verifier = Client(TestCertificates.Client);
        Assert.Equal(HttpStatusCode.OK, (await verifier.PostAsync(address, Body(Notice), served.Ct)).StatusCode);
        Assert.Equal([served.ServerId], reads.Asked);
        Assert.Equal(HttpStatusCode.BadRequest, (await verifier.PostAsync(address, Body("{}"), served.Ct)).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await verifier.GetAsync(address, served.Ct)).StatusCode);

        using var stranger = Client(TestCertificates.Stranger);
        Assert.Equal(HttpStatusCode.Forbidden, (await stranger.PostAsync(address, Body(Notice), served.Ct)).StatusCode);
        using var nobody = Client(null);
        await Assert.ThrowsAsync<HttpRequestException>(() => nobody.PostAsync(address, Body(Notice), served.Ct));
        Assert.Single(reads.Asked);
        await listener.StopAsync(served.Ct);
    }

    private static WebhookListener Make(ServedPool served, IEarlyReads reads)
    {
        var hook = new KeylimeHook(served.Pool.Get<Microsoft.EntityFrameworkCore.IDbContextFactory<Portal.Core.Storage.PortalDbContext>>(), reads);
        return new WebhookListener(new WebhookSettings { Enabled = true, Port = 0 }, hook, ActivatorUtilities.CreateInstance<AgentAuthority>(served.Pool.Services), NullLogger<WebhookListener>.Instance);
    }

    private static async Task<Uri> AddressAsync(WebhookListener listener, CancellationToken ct)
    {
        while (listener.Address is null)
        {
            await Task.Delay(5, ct);
        }

        return listener.Address;
    }

    private static StringContent Body(string json) => new(json, Encoding.UTF8, "application/json");

    private static HttpClient Client(ClientIdentity? identity)
    {
        var handler = new SocketsHttpHandler();

        // What the portal shows is tested where agents are; here it is who may tell.
        handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        if (identity is not null)
        {
            handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPem(identity.Certificate, identity.PrivateKey)];
        }

        return new HttpClient(handler);
    }

    private sealed class Counted : IEarlyReads
    {
        public List<Guid> Asked { get; } = [];

        public void Read(Guid serverId) => Asked.Add(serverId);
    }
}
