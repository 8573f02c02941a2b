using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Audit;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>
/// Tries the way to an agent step by step and says where it ends, before somebody enrols it. Connects only when a person asks who may, and only
/// into the networks listed; a registration by itself makes the portal connect to nobody.
/// </summary>
/// <param name="directory">Reads the registration.</param>
/// <param name="access">Who may.</param>
/// <param name="networks">Where the portal may connect to.</param>
/// <param name="authority">Vouches for our certificate.</param>
/// <param name="time">Our clock.</param>
public sealed class AgentProbe(RegistrationDirectory directory, AccessControl access, AgentNetworks networks, AgentAuthority authority, TimeProvider time)
{
    /// <summary>How far an agent's clock may be off: our client certificate begins that long before it is made.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    private const int LongestAnswer = 64 << 10;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Checks the way to the agent of a registration that waits or is enrolled. Needs <see cref="Permission.ManageHosts"/>. Changes nothing.
    /// Refusals: <c>attester.not_found</c>, <c>attester.not_waiting</c>.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="id">The registration.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Every step, in order; those after the first wrong one are not known.</returns>
    public async Task<Outcome<IReadOnlyList<ProbeLine>>> ExecuteAsync(Caller caller, Guid id, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.ManageHosts, new AuditTarget(RegistrationDesk.Kind, id, id.ToString()), ct) is { } denied)
        {
            return denied;
        }

        if (await directory.FindAsync(id, ct) is not { } found)
        {
            return Refusal.NotFound(RegistrationDesk.Kind, id.ToString());
        }

        if (found.Attester.Status is not (RegistrationStatus.Waiting or RegistrationStatus.Enrolled))
        {
            return AttesterRefusals.NotWaiting(found.Attester);
        }

        var lines = new ProbeLines();
        using var deadline = new CancellationTokenSource(Within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            await WalkAsync(found.Attester, lines, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            lines.Wrong(lines.Next, "The agent did not answer in time.", "Look whether a firewall stands between the portal and the host, and whether the agent is busy.");
        }

        return Outcome.Of(lines.ToEnd());
    }

    private async Task WalkAsync(RegisteredAttester attester, ProbeLines lines, CancellationToken ct)
    {
        if (await AddressesAsync(attester, lines, ct) is not { } addresses)
        {
            return;
        }

        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync([.. addresses], attester.Port, ct);
            lines.Good(ProbeStep.Port, $"Port {Text(attester.Port)} answers.");
        }
        catch (SocketException fault)
        {
            lines.Wrong(
                ProbeStep.Port,
                fault.SocketErrorCode == SocketError.ConnectionRefused ? $"Nothing listens on port {Text(attester.Port)}." : $"Port {Text(attester.Port)} cannot be reached.",
                "Start the agent, let it listen on this address, and open the port in the host's firewall.");
            return;
        }

        await using var stream = new NetworkStream(socket);
        await TalkAsync(attester, stream, lines, ct);
    }

    private async Task<IReadOnlyList<IPAddress>?> AddressesAsync(RegisteredAttester attester, ProbeLines lines, CancellationToken ct)
    {
        if (attester.Address.Length == 0 || attester.Port == 0)
        {
            lines.Wrong(ProbeStep.Name, "The agent named no address and port.", "Set its contact_ip and contact_port, and restart it.");
            return null;
        }

        IReadOnlyList<IPAddress> all;
        try
        {
            all = await AgentNetworks.AddressesAsync(attester.Address, ct);
        }
        catch (SocketException)
        {
            lines.Wrong(ProbeStep.Name, $"The name {attester.Address} cannot be resolved from here.", "Add it to the name server the portal asks, or let the agent name its address instead.");
            return null;
        }

        lines.Good(ProbeStep.Name, IPAddress.TryParse(attester.Address, out _) ? $"{attester.Address} is an address; there is no name to resolve." : $"{attester.Address} is {string.Join(", ", all)}.");
        var listed = all.Where(networks.Allow).ToList();
        if (listed.Count == 0)
        {
            lines.Wrong(
                ProbeStep.Network,
                networks.All.Count == 0 ? "No network is listed, so the portal connects to no agent." : $"{string.Join(", ", all)} lies in none of {string.Join(", ", networks.All)}.",
                "List the host's network in Portal:Registrar:Networks, if it is one of yours, and restart the portal.");
            return null;
        }

        lines.Good(ProbeStep.Network, $"{string.Join(", ", listed)} lies in a listed network.");
        return listed;
    }

    private async Task TalkAsync(RegisteredAttester attester, Stream stream, ProbeLines lines, CancellationToken ct)
    {
        if (attester.ServerCertificate is not { } registered)
        {
            lines.Wrong(ProbeStep.Certificate, "The agent registered no certificate of its own, so nothing tells it from another.", "Set enable_agent_mtls in the agent's configuration, and restart it.");
            return;
        }

        bool? isRegistered = null;
        await using var tls = new SslStream(stream, leaveInnerStreamOpen: true);
        try
        {
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = "",
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                ClientCertificateContext = authority.ClientCertificate,
                RemoteCertificateValidationCallback = (_, shown, _, _) => (isRegistered = IsSame(shown, registered)).Value,
            };
            await tls.AuthenticateAsClientAsync(options, ct);
            lines.Good(ProbeStep.Certificate, "It shows the certificate it registered with.");

            // With TLS 1.3 an agent that does not want our certificate says so only now.
            using var answer = await AskAsync(tls, attester, ct);
            var body = await BodyAsync(answer, ct);
            Judge(answer, body, lines);
        }
        catch (Exception fault) when (fault is AuthenticationException or IOException or HttpRequestException)
        {
            switch (isRegistered)
            {
                case null:
                    lines.Wrong(ProbeStep.Certificate, "It does not speak TLS here, or none the portal speaks.", "Look whether another program listens on this port.");
                    break;
                case false:
                    lines.Wrong(ProbeStep.Certificate, "It shows another certificate than the one it registered with.", "Restart the agent so that it registers again; if it still differs, something stands between the portal and the host.");
                    break;
                case true:
                    lines.Good(ProbeStep.Certificate, "It shows the certificate it registered with.");
                    lines.Wrong(ProbeStep.Admission, "It does not let the portal in.", "Give it the portal's CA as trusted_client_ca, and restart it.");
                    break;
            }
        }
    }

    private void Judge(HttpResponseMessage answer, byte[]? body, ProbeLines lines)
    {
        if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
        {
            lines.Wrong(ProbeStep.Admission, $"It does not let the portal in (status {Text((int)answer.StatusCode)}).", "Give it the portal's CA as trusted_client_ca, and restart it.");
            return;
        }

        lines.Good(ProbeStep.Admission, "It lets the portal in.");
        if (answer.StatusCode == HttpStatusCode.OK && body is not null && KeylimeAgentChannel.VersionIn(body) is { } minor)
        {
            lines.Good(ProbeStep.Version, $"It speaks version 2.{Text(minor)} of the agents' protocol.");
        }
        else
        {
            lines.Wrong(
                ProbeStep.Version,
                answer.StatusCode == HttpStatusCode.OK ? "It names no version between 2.1 and 2.6 of the agents' protocol." : $"Asked for its version it answers with status {Text((int)answer.StatusCode)}.",
                "Install a keylime agent that speaks 2.1 to 2.6, in pull mode.");
        }

        lines.Add(Clock(answer.Headers.Date));
    }

    private ProbeLine Clock(DateTimeOffset? date)
    {
        if (date is not { } said)
        {
            return new(ProbeStep.Clock, ProbeResult.NotKnown, "It does not say what time it is, and a quote of a TPM cannot.", "Look at the host's clock yourself.");
        }

        var off = said - time.GetUtcNow();
        var words = $"{Text((long)Math.Round(off.Duration().TotalSeconds))} s {(off < TimeSpan.Zero ? "behind" : "ahead of")} the portal's";
        return off.Duration() <= ClockTolerance
            ? new(ProbeStep.Clock, ProbeResult.Good, off.Duration() < TimeSpan.FromSeconds(2) ? "Its clock agrees with the portal's." : $"Its clock is {words}.", "")
            : new(ProbeStep.Clock, ProbeResult.Wrong, $"Its clock is {words}.", "Let the host and the portal keep time by the same servers: certificates would look not valid yet, or any more.");
    }

    private static async Task<HttpResponseMessage> AskAsync(SslStream tls, RegisteredAttester attester, CancellationToken ct)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            MaxResponseHeadersLength = 16,
            ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(tls),
        })
        {
            MaxResponseContentBufferSize = LongestAnswer,
        };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("https://agent.invalid/version"));
        request.Headers.Host = $"{attester.Address}:{Text(attester.Port)}";
        return await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, ct);
    }

    private static async Task<byte[]?> BodyAsync(HttpResponseMessage answer, CancellationToken ct) =>
        answer.StatusCode == HttpStatusCode.OK ? await answer.Content.ReadAsByteArrayAsync(ct) : null;

    private static bool IsSame(X509Certificate? shown, byte[] registered) => shown is not null && shown.GetRawCertData().AsSpan().SequenceEqual(registered);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The steps so far; a step is said once.</summary>
    private sealed class ProbeLines
    {
        private readonly List<ProbeLine> lines = [];

        public ProbeStep Next => (ProbeStep)lines.Count;

        public void Good(ProbeStep step, string sentence) => Add(new(step, ProbeResult.Good, sentence, ""));

        public void Wrong(ProbeStep step, string sentence, string remedy) => Add(new(step, ProbeResult.Wrong, sentence, remedy));

        public void Add(ProbeLine line)
        {
            if (line.Step == Next)
            {
                lines.Add(line);
            }
        }

        /// <summary>All steps; what was not reached says so.</summary>
        public IReadOnlyList<ProbeLine> ToEnd()
        {
            lines.AddRange(Enum.GetValues<ProbeStep>()[lines.Count..].Select(step => new ProbeLine(step, ProbeResult.NotKnown, "Not reached.", "")));
            return lines;
        }
    }
}
