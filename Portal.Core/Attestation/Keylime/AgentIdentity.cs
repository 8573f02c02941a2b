using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Has an agent quote a nonce of ours before it is enrolled, as Keylime's own tenant does: the verifier takes the registered key at its word. Asked over
/// mutual TLS, by the certificate it registered with and no other, and only in the networks listed, since the address is the agent's claim.
/// </summary>
/// <param name="connection">Our certificate, which agents of this verifier let in, and our patience.</param>
/// <param name="networks">Networks in which the portal may connect to agents; null for none.</param>
/// <param name="time">Our clock.</param>
internal sealed class AgentIdentity(ServerConnection connection, AgentNetworks? networks, TimeProvider time)
{
    private const int LongestAnswer = 256 << 10;
    private const int NonceBytes = 16;

    /// <summary>Returns when it quoted with the key of its registration.</summary>
    /// <exception cref="ServerException">It did not, and why.</exception>
    public async Task ShowAsync(KeylimeRegistration registration, CancellationToken ct)
    {
        using var key = Key(registration);
        var (address, port) = Address(registration);
        using var client = Open(registration);
        using var late = new CancellationTokenSource(connection.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            var at = new Uri($"https://{address}:{port}");
            var version = KeylimeAgentChannel.VersionIn(await client.GetByteArrayAsync(new Uri(at, "/version"), either.Token)) ?? throw No(registration, "speaks no version between 2.1 and 2.6", "Update the agent.");
            var nonce = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(NonceBytes));
            var answer = await client.GetByteArrayAsync(new Uri(at, FormattableString.Invariant($"/v2.{version}/quotes/identity?nonce={nonce}")), either.Token);
            Check(registration, key, nonce, answer);
        }
        catch (Exception fault) when (AgentConnections.IsTrouble(fault, ct))
        {
            throw Silent(registration, fault, $"{address}:{port}");
        }
    }

    /// <summary>Whether an answer is a quote of the nonce by the key.</summary>
    internal static void Check(KeylimeRegistration registration, AttestationKey key, string nonce, byte[] answer)
    {
        const TpmAlgorithm Bank = TpmAlgorithm.Sha256;
        var (evidence, fault) = AgentAnswer.Read(answer, Bank);
        if (evidence is null)
        {
            throw No(registration, $"answered with no quote: {fault}", "Look at the agent on the host.");
        }

        if (!PcrBank.Create(Bank, evidence.Pcrs.Select(p => KeyValuePair.Create(p.Key, (ReadOnlyMemory<byte>)p.Value))).TryGet(out var values, out var refusal)
            || !QuoteCheck.Verify(key, evidence.Quote, evidence.Signature, Encoding.ASCII.GetBytes(nonce), PcrSelection.Of(Bank, [AgentAnswer.OwnKeyPcr]), PcrValues.Of(values)).TryGet(out _, out refusal))
        {
            throw No(registration, $"did not show that it holds the key it registered: {refusal.Message}", "Somebody else may answer at its address. Look at the host before anything else.");
        }
    }

    /// <summary>The key of a registration, where it is one that can vouch for anything.</summary>
    internal static AttestationKey Key(KeylimeRegistration registration)
    {
        var area = new byte[registration.AttestationKey.Length];
        return Convert.TryFromBase64String(registration.AttestationKey, area, out var length) && AttestationKey.Accept(area.AsSpan(0, length)).TryGet(out var key, out _)
            ? key
            : throw No(registration, "registered with a key that cannot vouch for anything: it is none, or one that signs more than quotes", "Look at the agent on the host.");
    }

    private (IPAddress Address, int Port) Address(KeylimeRegistration registration)
    {
        if (!IPAddress.TryParse(registration.Ip, out var address) || registration.Port is not { } port || registration.ServerCertificate.Length == 0)
        {
            throw No(registration, "only sends, and cannot be asked for a quote", "Enrol it with Keylime's own tool.");
        }

        return networks?.Allow(address) == true
            ? (address, port)
            : throw No(registration, $"says it is at {address}, in no network the portal may connect to", "If the host belongs there, list its network in Portal:Registrar:Networks.");
    }

    private HttpClient Open(KeylimeRegistration registration)
    {
        byte[] pinned;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(registration.ServerCertificate);
            pinned = certificate.RawData;
        }
        catch (CryptographicException)
        {
            throw No(registration, "registered with a certificate of its own that cannot be read", "Restart the agent, so that it registers anew.");
        }

        return new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                ClientCertificateContext = connection.ClientCertificate is { } ours ? SslStreamCertificateContext.Create(ours, null, offline: true) : null,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null && shown.GetRawCertData().AsSpan().SequenceEqual(pinned),
            },
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LongestAnswer,
        };
    }

    private static ServerException Silent(KeylimeRegistration registration, Exception fault, string at)
    {
        for (var inner = fault; inner is not null; inner = inner.InnerException)
        {
            if (inner is AuthenticationException)
            {
                return No(registration, $"is not who answers at {at}, or does not let the portal in: TLS failed", "Look whether the agent trusts the authority of the portal's certificate for this service (trusted_client_ca), and whether it restarted with another certificate.");
            }
        }

        return No(registration, $"did not answer at {at}", "Look whether the host is up, its agent runs, and the portal reaches it.");
    }

    private static ServerException No(KeylimeRegistration registration, string what, string remedy) => new(ServerFault.Failed, $"The agent {KeylimeWords.Safe(registration.Id)} {what}.", remedy);
}
