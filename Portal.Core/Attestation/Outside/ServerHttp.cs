using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Attestation.Outside;

/// <summary>A server's answer, read to its end.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Body">The body; may be empty.</param>
/// <param name="Date">The Date header: the server's clock.</param>
/// <param name="MediaType">The media type of the body; null when it names none.</param>
public sealed record ServerReply(HttpStatusCode Status, byte[] Body, DateTimeOffset? Date, string? MediaType)
{
    /// <summary>Whether the status is one of success.</summary>
    public bool Succeeded => (int)Status is >= 200 and < 300;
}

/// <summary>
/// HTTPS to one attestation server: its certificate by a pinned authority and no other, our client certificate, nothing else that could say who
/// we are. Follows no redirect, keeps no cookie, uses no proxy, never sends an Authorization header.
/// </summary>
public sealed class ServerHttp : IDisposable
{
    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan IdleFor = TimeSpan.FromMinutes(2);

    private readonly ServerConnection connection;
    private readonly TimeProvider time;
    private readonly HttpClient client;

    /// <summary>Connections that are made as they are needed.</summary>
    public ServerHttp(ServerConnection connection, TimeProvider time)
        : this(connection, time, new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            MaxResponseHeadersLength = 16,
            PooledConnectionIdleTimeout = IdleFor,
            ConnectTimeout = ConnectWithin,
            SslOptions = Tls(connection),
        })
    {
    }

    /// <summary>Requests that go another way than over a connection; for models of servers.</summary>
    internal ServerHttp(ServerConnection connection, TimeProvider time, HttpMessageHandler way)
    {
        (this.connection, this.time) = (connection, time);
        client = new HttpClient(way) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>How the server is recognised, and we to it.</summary>
    public static SslClientAuthenticationOptions Tls(ServerConnection connection)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(connection.Authorities);

        // A pinned certificate need not be a root: who pins an intermediate, or the server's own, means exactly that one.
        policy.VerificationFlags = X509VerificationFlags.NoFlag;
        return new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateChainPolicy = policy,
            ClientCertificateContext = connection.ClientCertificate is { } ours ? SslStreamCertificateContext.Create(ours, null, offline: true) : null,
            RemoteCertificateValidationCallback = connection.ChecksName
                ? null
                : static (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None,
        };
    }

    /// <summary>Sends one request and reads the answer to its end.</summary>
    /// <param name="method">The method.</param>
    /// <param name="uri">Where; https.</param>
    /// <param name="body">JSON; null sends no body and no content type.</param>
    /// <param name="longest">The longest answer that is read, in bytes.</param>
    /// <param name="ct">Cancels.</param>
    /// <param name="within">How long it may take; null for the connection's own. Longer for what the server needs time for.</param>
    /// <exception cref="ServerException">No answer came in time, it was not the server's, or it was too long. Whatever status came is an answer.</exception>
    public async Task<ServerReply> SendAsync(HttpMethod method, Uri uri, ReadOnlyMemory<byte>? body, int longest, CancellationToken ct, TimeSpan? within = null)
    {
        var patience = within ?? connection.Timeout;
        using var late = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            using var request = new HttpRequestMessage(method, uri);
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));

            // Some resources are declared as plain text and answer 406 to who takes JSON alone; what came is judged by itself.
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("*/*", 0.1));
            // No array at all becomes an empty stretch of memory on its way here: that is no body either.
            if (body is { Length: > 0 } json)
            {
                request.Content = new ReadOnlyMemoryContent(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            }

            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var read = await ReadAsync(response, longest, either.Token);
            return new ServerReply(response.StatusCode, read, response.Headers.Date, response.Content.Headers.ContentType?.MediaType);
        }
        catch (OperationCanceledException fault) when (!ct.IsCancellationRequested)
        {
            throw new ServerException(
                ServerFault.Unreachable,
                $"{connection.Name} did not answer within {patience.TotalSeconds:0} s.",
                "Look whether the server is busy or hangs, and whether a firewall drops packets on the way.",
                fault);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw Explain(fault, uri);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    private async Task<byte[]> ReadAsync(HttpResponseMessage response, int longest, CancellationToken ct)
    {
        if (response.Content.Headers.ContentLength > longest)
        {
            throw TooLong(longest);
        }

        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        using var read = new MemoryStream((int)(response.Content.Headers.ContentLength ?? 0));
        var buffer = new byte[64 << 10];
        int count;
        while ((count = await stream.ReadAsync(buffer, ct)) > 0)
        {
            if (read.Length + count > longest)
            {
                throw TooLong(longest);
            }

            read.Write(buffer, 0, count);
        }

        return read.Length == read.Capacity ? read.GetBuffer() : read.ToArray();
    }

    private ServerException TooLong(int longest) => new(
        ServerFault.Garbled,
        $"{connection.Name} answered with more than {longest >> 20} MiB.",
        "Look what answers at this address: no answer that is asked for is that long.");

    private ServerException Explain(Exception fault, Uri uri)
    {
        var at = $"{uri.Host}:{uri.Port}";
        for (var inner = fault; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return new ServerException(ServerFault.NameUnknown, $"The name {uri.Host} of {connection.Name} leads to no address.", "Check the address, and the name server the portal asks.", fault);
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return new ServerException(ServerFault.Unreachable, $"Nothing listens at {at}, where {connection.Name} should.", "Look whether the server runs and listens on this address and port.", fault);
                case AuthenticationException:
                    return new ServerException(
                        ServerFault.NotTheServer,
                        $"{at} is not {connection.Name}: TLS failed.",
                        "Test the connection on the service's page: it tells which part of the certificate, or of ours, is refused.",
                        fault);
            }
        }

        return new ServerException(ServerFault.Unreachable, $"{connection.Name} at {at} broke off or did not answer.", "Look whether the server runs, and at its log.", fault);
    }
}
