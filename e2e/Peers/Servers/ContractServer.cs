using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Attestation.Outside;
using System.Security.Cryptography.X509Certificates;

namespace Portal.E2E.Peers.Servers;

/// <summary>What goes wrong at a server, on command.</summary>
internal enum Trouble
{
    None,

    /// <summary>It takes a request and never answers.</summary>
    Hangs,

    /// <summary>It begins an answer and never ends it.</summary>
    HalfOpen,

    /// <summary>It begins an answer and breaks off.</summary>
    Cut,

    /// <summary>A page for people stands where JSON should.</summary>
    Html,

    /// <summary>500 and nothing else.</summary>
    EmptyError,

    /// <summary>400 and nothing else.</summary>
    EmptyRefusal,

    /// <summary>It answers right, a piece at a time, and is done before anybody's patience is over.</summary>
    Slow,

    /// <summary>It answers right, a byte at a time: something always comes, and it never ends in time.</summary>
    Trickles,
}

/// <summary>A real server on TLS that answers as a test tells it.</summary>
internal abstract class ContractServer : IAsyncDisposable
{
    private static readonly TimeSpan BetweenPieces = TimeSpan.FromMilliseconds(40);

    private WebApplication? app;

    public Trouble Trouble { get; set; }

    /// <summary>Changes it still makes before all further ones fail; null for no such fault.</summary>
    public int? ChangesLeft { get; set; }

    /// <summary>How far its clock is ahead.</summary>
    public TimeSpan ClockAhead { get; set; }

    public Uri Address { get; private set; } = new("https://127.0.0.1");

    /// <summary>Requests by method and path without query.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>What its clock goes by.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    protected DateTimeOffset Clock => Time.GetUtcNow() + ClockAhead;

    /// <summary>Starts it, on its old port if it had one.</summary>
    public async Task StartAsync(X509Certificate2 certificate, bool wantsClients = true)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AllowSynchronousIO = true;
            kestrel.Listen(IPAddress.Loopback, Address.Port == 443 ? 0 : Address.Port, listen => listen.UseHttps(https =>
            {
                https.ServerCertificate = certificate;
                https.ClientCertificateMode = wantsClients ? ClientCertificateMode.AllowCertificate : ClientCertificateMode.NoCertificate;
                https.AllowAnyClientCertificate();
            }));
        });
        app = builder.Build();
        app.Run(AnswerAsync);
        await app.StartAsync();
        Address = new Uri(app.Urls.Single().Replace("127.0.0.1", "127.0.0.1", StringComparison.Ordinal));
    }

    public async Task StopAsync()
    {
        if (app is not null)
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
            await app.StopAsync(soon.Token);
            await app.DisposeAsync();
            app = null;
        }
    }

    /// <summary>How a client reaches it.</summary>
    public ServerConnection Connection(SiteAuthority authority, (string Certificate, string Key)? client = null, TimeSpan? timeout = null, Uri? registrar = null, bool checksName = true) => new(
        Guid.NewGuid(),
        "the server",
        Address,
        registrar,
        authority.Certificates,
        client is { } pair ? X509Certificate2.CreateFromPem(pair.Certificate, pair.Key) : null,
        checksName,
        timeout ?? TimeSpan.FromSeconds(30));

    public async ValueTask DisposeAsync() => await StopAsync();

    protected abstract Task HandleAsync(HttpContext http);

    /// <summary>Whether a request changes something that the server keeps.</summary>
    protected virtual bool Changes(HttpRequest request) => request.Method is "POST" or "PUT" or "DELETE";

    protected static async Task WriteAsync(HttpContext http, int status, string json)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(json);
    }

    /// <summary>Answers one request, from whichever way it came.</summary>
    internal async Task AnswerAsync(HttpContext http)
    {
        Requests.Enqueue($"{http.Request.Method} {http.Request.Path}");
        http.Response.Headers.Date = Clock.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        switch (Trouble)
        {
            case Trouble.None when ChangesLeft is { } left && Changes(http.Request) && (ChangesLeft = left - 1) < 0:
                http.Response.StatusCode = 500;
                break;
            case Trouble.Hangs:
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
                break;
            case Trouble.HalfOpen:
                await http.Response.Body.WriteAsync("{\"hosts\":["u8.ToArray());
                await http.Response.Body.FlushAsync();
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
                break;
            case Trouble.Cut:
                http.Response.ContentLength = 1000;
                await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes("{\"hosts\":[{\"host_na"));
                await http.Response.Body.FlushAsync();
                http.Abort();
                break;
            case Trouble.Html:
                http.Response.ContentType = "text/html";
                await http.Response.WriteAsync("<html><body>Welcome to nginx</body></html>");
                break;
            case Trouble.EmptyError:
                http.Response.StatusCode = 500;
                break;
            case Trouble.EmptyRefusal:
                http.Response.StatusCode = 400;
                break;
            case Trouble.Slow:
                await PiecewiseAsync(http, pieces: 20);
                break;
            case Trouble.Trickles:
                await PiecewiseAsync(http, pieces: int.MaxValue);
                break;
            default:
                await HandleAsync(http);
                break;
        }
    }

    /// <summary>The right answer in so many pieces, or as many as it has bytes, with a pause before each.</summary>
    private async Task PiecewiseAsync(HttpContext http, int pieces)
    {
        var wire = http.Response.Body;
        using var whole = new MemoryStream();
        http.Response.Body = whole;
        await HandleAsync(http);
        http.Response.Body = wire;
        try
        {
            foreach (var piece in whole.ToArray().Chunk((int)Math.Max(1, whole.Length / pieces)))
            {
                await Task.Delay(BetweenPieces, http.RequestAborted);
                await wire.WriteAsync(piece, http.RequestAborted);
                await wire.FlushAsync(http.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // Whoever asked lost patience.
        }
    }
}
