using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Attestation.Outside;
using Portal.Tests.Attestation.Outside;

namespace Portal.Tests.World;

/// <summary>A real server on TLS that answers as a test says, and remembers what it was asked.</summary>
internal sealed class AnsweringServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private AnsweringServer(WebApplication app) => this.app = app;

    /// <summary>What it was asked: method, path and query, and the body, if one came.</summary>
    public ConcurrentQueue<(string What, JsonNode? Body)> Asked { get; } = new();

    /// <summary>Answers: a status and JSON, or nothing at all.</summary>
    public Func<string, JsonNode?, (int Status, string Body)> Answer { get; set; } = static (_, _) => (404, "");

    public static async Task<AnsweringServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(TestCertificates.Server)));
        var server = new AnsweringServer(builder.Build());
        server.app.Run(server.AnswerAsync);
        await server.app.StartAsync();
        return server;
    }

    /// <summary>How a client reaches it.</summary>
    /// <param name="withRegistrar">Whether it is the registrar too.</param>
    public ServerConnection Connection(bool withRegistrar = false)
    {
        var (address, authorities) = (new Uri(app.Urls.Single()), new X509Certificate2Collection());
        authorities.ImportFromPem(TestCertificates.Authority);
        return new ServerConnection(Guid.NewGuid(), "the server", address, withRegistrar ? address : null, authorities, null, true, TimeSpan.FromSeconds(30));
    }

    /// <summary>How often something was asked.</summary>
    public int Count(string what) => Asked.Count(a => a.What.StartsWith(what, StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        var body = http.Request.ContentLength > 0 ? await JsonNode.ParseAsync(http.Request.Body) : null;
        var what = $"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}";
        Asked.Enqueue((what, body));
        var (status, text) = Answer(what, body);
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(text);
    }
}
