using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Attestation.BuiltIn.Agents;

namespace Portal.Core.Attestation.Outside;

/// <summary>One address that a server answers at, looked at step by step; each step needs those before it.</summary>
internal sealed class ServerEnd
{
    /// <summary>From how long before its end on a certificate is worth a word.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);

    private readonly Uri address;
    private readonly string what;
    private IPAddress[] found = [];
    private (string Whose, DateTimeOffset From, DateTimeOffset Until)? shown;

    private ServerEnd(Uri address, string what) => (this.address, this.what) = (address, what);

    /// <summary>The addresses of a server.</summary>
    public static List<ServerEnd> Of(ServerConnection connection) => connection.RegistrarAddress is { } registrar
        ? [new(connection.Address, "Verifier"), new(registrar, "Registrar")]
        : [new(connection.Address, "Server")];

    /// <inheritdoc/>
    public override string ToString() => $"{what} {address.Host}:{Text(address.Port)}";

    /// <summary>See <see cref="ServerCheckStep.Name"/>.</summary>
    public async Task<ServerAnswer> NameAsync(CancellationToken ct)
    {
        if (IPAddress.TryParse(address.IdnHost.Trim('[', ']'), out var literal))
        {
            found = [literal];
            return Good($"{literal} is an address; there is no name to resolve.");
        }

        try
        {
            found = await Dns.GetHostAddressesAsync(address.IdnHost, ct);
        }
        catch (SocketException)
        {
            found = [];
        }

        return found.Length > 0
            ? Good($"{address.IdnHost} is {string.Join(", ", found.Select(a => a.ToString()))}.")
            : Wrong($"The name {address.IdnHost} leads to no address.", "Check the address, and the name server the portal asks.");
    }

    /// <summary>See <see cref="ServerCheckStep.Port"/>.</summary>
    public async Task<ServerAnswer> PortAsync(CancellationToken ct)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(found, address.Port, ct);
            return Good($"{this}: the port answers.");
        }
        catch (SocketException fault)
        {
            return Wrong(
                fault.SocketErrorCode == SocketError.ConnectionRefused ? $"{this}: nothing listens there." : $"{this}: the port cannot be reached.",
                "Look whether the server runs and listens on this address and port, and whether a firewall stands between.");
        }
    }

    /// <summary>See <see cref="ServerCheckStep.Certificate"/>. One that has only expired is left to the next step.</summary>
    public async Task<ServerAnswer> CertificateAsync(ServerConnection connection, CancellationToken ct)
    {
        var (errors, status) = (SslPolicyErrors.RemoteCertificateNotAvailable, X509ChainStatusFlags.NoError);
        var options = ServerHttp.Tls(connection);
        options.TargetHost = address.IdnHost.Trim('[', ']');
        options.RemoteCertificateValidationCallback = (_, certificate, chain, found) =>
        {
            errors = connection.ChecksName ? found : found & ~SslPolicyErrors.RemoteCertificateNameMismatch;
            status = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status) ?? X509ChainStatusFlags.NoError;
            shown = certificate is X509Certificate2 theirs ? ($"{this}: its certificate", new DateTimeOffset(theirs.NotBefore), new DateTimeOffset(theirs.NotAfter)) : null;
            return errors == SslPolicyErrors.None;
        };
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(found, address.Port, ct);
            await using var stream = new NetworkStream(socket);
            await using var tls = new SslStream(stream, leaveInnerStreamOpen: true);
            await tls.AuthenticateAsClientAsync(options, ct);
        }
        catch (Exception fault) when (fault is AuthenticationException or IOException or SocketException)
        {
            if (shown is null)
            {
                return Wrong($"{this} does not speak TLS, or none the portal speaks.", "Look whether another program listens there; TLS 1.2 and 1.3 are spoken.");
            }
        }

        // A fault after its certificate was accepted is its word about ours: that is another step.
        return Judge(errors, status, connection.ChecksName);
    }

    /// <summary>See <see cref="ServerCheckStep.Expiry"/>.</summary>
    public ServerAnswer Expiry(ServerConnection connection, DateTimeOffset now)
    {
        var all = connection.Authorities.Select(a => ("The pinned authority", From: new DateTimeOffset(a.NotBefore), Until: new DateTimeOffset(a.NotAfter))).ToList();
        if (shown is { } theirs)
        {
            all.Add(theirs);
        }

        if (connection.ClientCertificate is { } ours)
        {
            all.Add(("Our client certificate", new DateTimeOffset(ours.NotBefore), new DateTimeOffset(ours.NotAfter)));
        }

        var (whose, from, until) = all.MinBy(c => c.Until);
        if (all.Find(c => c.From > now) is { Item1: not null } early)
        {
            return Wrong($"{early.Item1} is valid only from {Date(early.From)} on.", "Look at the clocks of the server and of the portal, or have the certificate made again.");
        }

        return until <= now
            ? Wrong($"{whose} expired on {Date(until)}.", "Have it made again, and enter it here if it is the authority or ours.")
            : Good($"The first to expire is valid until {Date(until)} ({char.ToLowerInvariant(whose[0])}{whose[1..]}).", until - now < Soon ? "Renew it in time: nothing is asked of a server with an expired certificate." : "");
    }

    private ServerAnswer Judge(SslPolicyErrors errors, X509ChainStatusFlags status, bool checksName)
    {
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return Wrong($"{this} shows no certificate.", "Let the server speak TLS with a certificate by the pinned authority.");
        }

        if ((status & ~(X509ChainStatusFlags.NotTimeValid | X509ChainStatusFlags.NoError)) != 0)
        {
            return Wrong(
                status.HasFlag(X509ChainStatusFlags.NotValidForUsage) ? $"{this} shows a certificate that is not for servers." : $"{this} shows a certificate that no pinned authority issued.",
                "Compare it with the authority entered here. If the server has a new one, let a second person confirm it; if not, something stands between.");
        }

        return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? Wrong(
                $"{this} shows a certificate that does not name {address.Host}.",
                "Enter the address by a name the certificate carries, or have it made anew with this one. Keylime before 7.14.1 makes certificates without names: for those the check of the name can be turned off.")
            : Good(checksName ? $"{this}: its certificate is by a pinned authority and names it." : $"{this}: its certificate is by a pinned authority; its name is not looked at.");
    }

    private static ServerAnswer Good(string sentence, string remedy = "") => new(ProbeResult.Good, sentence, remedy);

    private static ServerAnswer Wrong(string sentence, string remedy) => new(ProbeResult.Wrong, sentence, remedy);

    private static string Date(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
