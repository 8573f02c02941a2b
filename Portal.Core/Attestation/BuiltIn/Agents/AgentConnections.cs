using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>
/// HTTPS to agents: our client certificate, the agent's pinned one, and only into the networks listed. Each host and contact has a name of its
/// own inside (<c>id.contact.agent.invalid</c>), so that a connection and a pin can never belong to another host, nor to what it registered before.
/// </summary>
public sealed class AgentConnections : IDisposable
{
    /// <summary>Length of an answer that needs no share of any budget, in bytes.</summary>
    public const int Ordinary = 2 << 20;

    private const string Suffix = ".agent.invalid";
    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan IdleFor = TimeSpan.FromMinutes(3);

    private readonly AgentContacts contacts;
    private readonly AgentNetworks networks;
    private readonly AgentAuthority authority;
    private readonly HttpClient client;

    /// <summary>Connections that are made as they are needed.</summary>
    public AgentConnections(AgentContacts contacts, AgentNetworks networks, AgentAuthority authority)
    {
        (this.contacts, this.networks, this.authority) = (contacts, networks, authority);
        client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            MaxConnectionsPerServer = 2,
            MaxResponseHeadersLength = 16,
            PooledConnectionIdleTimeout = IdleFor,
            ConnectTimeout = ConnectWithin,
            ConnectCallback = ConnectAsync,
        })
        {
            // The verifier's own deadline counts.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Asks an agent.</summary>
    /// <param name="hostId">Whose.</param>
    /// <param name="contact">Where it is.</param>
    /// <param name="pathAndQuery">What.</param>
    /// <param name="longest">The longest body that is read, in bytes.</param>
    /// <param name="share">Takes what the body has beyond <see cref="Ordinary"/>; null where no body may be longer than that.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>The status, and the body unless it is longer.</returns>
    /// <exception cref="HttpRequestException">No answer came.</exception>
    /// <exception cref="IOException">Other agents' long answers leave no room for this one.</exception>
    public async Task<(HttpStatusCode Status, byte[]? Body)> GetAsync(Guid hostId, AgentContact contact, string pathAndQuery, int longest, AnswerBudget.Share? share, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"https://{hostId:N}.{Mark(contact)}{Suffix}:{contact.Port}{pathAndQuery}"));
        request.Headers.Host = contact.Address.Contains(':', StringComparison.Ordinal) ? $"[{contact.Address}]:{contact.Port}" : $"{contact.Address}:{contact.Port}";
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        if (response.Content.Headers.ContentLength > longest)
        {
            return (response.StatusCode, null);
        }

        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        using var body = new MemoryStream();
        var buffer = new byte[16 << 10];
        int read;
        while ((read = await stream.ReadAsync(buffer, ct)) > 0)
        {
            if (body.Length + read > longest)
            {
                return (response.StatusCode, null);
            }

            if (share?.TryGrowTo(body.Length + read - Ordinary) == false)
            {
                throw new NoRoomException();
            }

            body.Write(buffer, 0, read);
        }

        return (response.StatusCode, body.ToArray());
    }

    /// <summary>Whether a fault says only that no answer came.</summary>
    public static bool IsTrouble(Exception fault, CancellationToken ct) =>
        !ct.IsCancellationRequested && fault is HttpRequestException or IOException or SocketException or AuthenticationException or OperationCanceledException;

    /// <summary>The trouble in a sentence that helps to mend it.</summary>
    public static string Words(Exception fault, AgentContact contact)
    {
        var at = $"{contact.Address}:{contact.Port}";
        for (var inner = fault; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case NoRoomException:
                    return $"The answer of {at} is long, and long answers of other agents leave no room for it; it is asked again.";
                case NetworkNotListedException:
                    return $"{at} lies in no network the portal may connect to; list it in Portal:Registrar:Networks.";
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return $"{at} refuses connections: the agent does not run or listens elsewhere.";
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return $"The name {contact.Address} cannot be resolved.";
                case AuthenticationException:
                    return $"The TLS handshake with {at} failed: another certificate than the registered one, or the agent does not trust the portal's CA.";
            }
        }

        return fault is OperationCanceledException ? $"{at} did not answer in time." : $"The connection to {at} failed ({fault.GetType().Name}).";
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    /// <summary>What tells one contact of a host from another; short enough for a label of a name.</summary>
    private static string Mark(AgentContact contact) =>
        Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes($"{contact.Address}\n{contact.Port}\n"), .. contact.Certificate.Span]).AsSpan(0, 16));

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var (name, mark) = context.DnsEndPoint.Host[..^Suffix.Length].Split('.') is [var id, var of] ? (id, of) : throw new InvalidOperationException("That is no name of an agent.");
        var contact = contacts.Of(Guid.ParseExact(name, "N")) is { } now && Mark(now) == mark ? now : throw new IOException("The agent is registered otherwise by now.");
        var addresses = await networks.ResolveAsync(contact.Address, ct);
        if (addresses.Count == 0)
        {
            throw new NetworkNotListedException();
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync([.. addresses], contact.Port, ct);
            var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "",
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    ClientCertificateContext = authority.ClientCertificate,
                    RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null && shown.GetRawCertData().AsSpan().SequenceEqual(contact.Certificate.Span),
                },
                ct);
            return tls;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class NoRoomException() : IOException("Long answers leave no room for another.");

    private sealed class NetworkNotListedException() : IOException("The address lies in no listed network.");
}
