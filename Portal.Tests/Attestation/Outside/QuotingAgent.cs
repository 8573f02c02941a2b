using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Portal.E2E.Peers.Servers;
using Portal.Tests.Attestation.Registration;

namespace Portal.Tests.Attestation.Outside;

/// <summary>A keylime agent on a host, as far as it is asked before it is enrolled: a quote of a nonce, for whom the site's authority vouches for.</summary>
internal sealed class QuotingAgent(SiteAuthority authority, RegisteringHost host) : ContractServer
{
    private readonly X509Certificate2 certificate = Made();

    /// <summary>Another TPM that answers in the host's place.</summary>
    public RegisteringHost? Impostor { get; set; }

    /// <summary>Answers with a quote of an earlier question.</summary>
    public bool Replays { get; set; }

    /// <summary>Starts it and has the host register with its certificate and address.</summary>
    public async Task StartAsync()
    {
        await StartAsync(certificate);
        (host.ServerCertificate, host.Address, host.Port) = (certificate.ExportCertificatePem(), "127.0.0.1", Address.Port);
    }

    protected override async Task HandleAsync(HttpContext http)
    {
        if (!authority.Vouches(http.Connection.ClientCertificate))
        {
            http.Response.StatusCode = 403;
        }
        else if (http.Request.Path == "/version")
        {
            await WriteAsync(http, 200, """{"code":200,"status":"Success","results":{"supported_version":"2.5"}}""");
        }
        else if (http.Request.Path == "/v2.5/quotes/identity")
        {
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync((Impostor ?? host).IdentityQuote(Replays ? "1234567890ABCDEFHIJK" : http.Request.Query["nonce"].ToString()));
        }
        else
        {
            http.Response.StatusCode = 404;
        }
    }

    private static X509Certificate2 Made()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
