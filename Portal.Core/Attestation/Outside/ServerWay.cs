using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Portal.Core.Attestation.BuiltIn.Agents;

namespace Portal.Core.Attestation.Outside;

/// <summary>What came of a question put to a server.</summary>
/// <param name="Result">Whether it answered as it should.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Remedy">What to do; empty when nothing need be done.</param>
/// <param name="Date">The server's clock, as its answer's Date header says.</param>
public sealed record ServerAnswer(ProbeResult Result, string Sentence, string Remedy, DateTimeOffset? Date = null);

/// <summary>The steps of "test connection" that each kind of server has its own words for. They may throw <see cref="ServerException"/>.</summary>
public interface IServerQuestions
{
    /// <summary>See <see cref="ServerCheckStep.Version"/>.</summary>
    Task<ServerAnswer> VersionAsync(CancellationToken ct);

    /// <summary>See <see cref="ServerCheckStep.Authorisation"/>.</summary>
    Task<ServerAnswer> AuthorisationAsync(CancellationToken ct);

    /// <summary>See <see cref="ServerCheckStep.Query"/>.</summary>
    Task<ServerAnswer> QueryAsync(CancellationToken ct);
}

/// <summary>
/// Tries the way to a server, and to its registrar if it has one, step by step and says where it ends. Name, port, certificate, expiry and clock
/// are the same for every kind of server; the rest is asked of the kind.
/// </summary>
/// <param name="connection">How the server is reached.</param>
/// <param name="questions">The steps of its kind.</param>
/// <param name="time">Our clock.</param>
public sealed class ServerWay(ServerConnection connection, IServerQuestions questions, TimeProvider time)
{
    /// <summary>How far a server's clock may be off before it is called wrong: by so much verdicts age too early.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(1);

    private readonly List<ServerEnd> ends = ServerEnd.Of(connection);

    /// <summary>Every step, in order; those after the first wrong one are not known. Throws nothing but for cancellation.</summary>
    public async IAsyncEnumerable<ServerCheckLine> CheckAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var stopped = false;
        DateTimeOffset? date = null;
        ServerCheckLine? refused = null;
        foreach (var step in Enum.GetValues<ServerCheckStep>())
        {
            ServerCheckLine line;
            if (refused is not null && step == ServerCheckStep.Authorisation)
            {
                line = refused;
            }
            else if (stopped)
            {
                line = new(step, ProbeResult.NotKnown, "Not reached.", "");
            }
            else
            {
                (line, var seen, refused) = await StepAsync(step, date, ct);
                date = seen ?? date;
                stopped = refused is not null || (line.Result == ProbeResult.Wrong && step != ServerCheckStep.Clock);
            }

            yield return line;
        }
    }

    /// <summary>How far a server's clock is ahead of ours; null when its answer does not say.</summary>
    /// <param name="reply">The answer.</param>
    /// <param name="asked">When it was asked for, by our clock.</param>
    /// <param name="answered">When it was there, by our clock.</param>
    public static TimeSpan? Skew(ServerReply reply, DateTimeOffset asked, DateTimeOffset answered)
    {
        if (reply.Date is not { } said)
        {
            return null;
        }

        // The header is cut to the second, and was written at any time between question and answer: within that it agrees.
        return said > answered ? said - answered : said.AddSeconds(1) < asked ? said.AddSeconds(1) - asked : TimeSpan.Zero;
    }

    private async Task<(ServerCheckLine Line, DateTimeOffset? Date, ServerCheckLine? Refused)> StepAsync(ServerCheckStep step, DateTimeOffset? date, CancellationToken ct)
    {
        switch (step)
        {
            case ServerCheckStep.Name:
                return (await EachAsync(step, (end, within) => end.NameAsync(within), ct), null, null);
            case ServerCheckStep.Port:
                return (await EachAsync(step, (end, within) => end.PortAsync(within), ct), null, null);
            case ServerCheckStep.Certificate:
                return (await EachAsync(step, (end, within) => end.CertificateAsync(connection, within), ct), null, null);
            case ServerCheckStep.Expiry:
                return (await EachAsync(step, (end, _) => Task.FromResult(end.Expiry(connection, time.GetUtcNow())), ct), null, null);
            case ServerCheckStep.Clock:
                return (Clock(date), null, null);
            case ServerCheckStep.Version or ServerCheckStep.Authorisation or ServerCheckStep.Query:
                return await AskAsync(step, ct);
            default:
                throw new InvalidOperationException($"No such step: {step}");
        }
    }

    private async Task<(ServerCheckLine Line, DateTimeOffset? Date, ServerCheckLine? Refused)> AskAsync(ServerCheckStep step, CancellationToken ct)
    {
        try
        {
            var answer = step switch
            {
                ServerCheckStep.Version => await questions.VersionAsync(ct),
                ServerCheckStep.Authorisation => await questions.AuthorisationAsync(ct),
                _ => await questions.QueryAsync(ct),
            };
            return (new(step, answer.Result, answer.Sentence, answer.Remedy), answer.Date, null);
        }
        catch (ServerException fault) when (BrokeOff(fault) && step is ServerCheckStep.Version or ServerCheckStep.Authorisation)
        {
            // With TLS 1.3 a server that does not accept our certificate says so only at the first request.
            var line = new ServerCheckLine(
                ServerCheckStep.Authorisation,
                ProbeResult.Wrong,
                connection.ClientCertificate is null ? "It breaks off the connection: it asks for a client certificate, and none is set." : "It breaks off the connection when it sees our client certificate.",
                "Give the portal a client certificate by an authority that this server trusts.");
            return step == ServerCheckStep.Authorisation ? (line, null, null) : (new(step, ProbeResult.NotKnown, "It does not let us ask.", ""), null, line);
        }
        catch (ServerException fault)
        {
            return (new(step, ProbeResult.Wrong, fault.Message, fault.Remedy), null, null);
        }
    }

    private async Task<ServerCheckLine> EachAsync(ServerCheckStep step, Func<ServerEnd, CancellationToken, Task<ServerAnswer>> look, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(connection.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        var answers = new List<ServerAnswer>();
        foreach (var end in ends)
        {
            ServerAnswer answer;
            try
            {
                answer = await look(end, either.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                answer = new(ProbeResult.Wrong, $"{end} did not answer in time.", "Look whether a firewall stands between, and whether the server is busy or hangs.");
            }

            if (answer.Result == ProbeResult.Wrong)
            {
                return new(step, ProbeResult.Wrong, answer.Sentence, answer.Remedy);
            }

            answers.Add(answer);
        }

        var words = answers.Select(a => a.Sentence).Distinct(StringComparer.Ordinal);
        return new(step, ProbeResult.Good, string.Join(" ", words), answers.Find(a => a.Remedy.Length > 0)?.Remedy ?? "");
    }

    private ServerCheckLine Clock(DateTimeOffset? date)
    {
        if (date is not { } said)
        {
            return new(ServerCheckStep.Clock, ProbeResult.NotKnown, "It does not say what time it is.", "Look at the server's clock yourself.");
        }

        var now = time.GetUtcNow();
        var off = Skew(new ServerReply(HttpStatusCode.OK, [], said, null), now, now) ?? TimeSpan.Zero;
        var words = $"Its clock is {((long)off.Duration().TotalSeconds).ToString(CultureInfo.InvariantCulture)} s {(off < TimeSpan.Zero ? "behind" : "ahead of")} the portal's.";
        return off.Duration() <= ClockTolerance
            ? new(ServerCheckStep.Clock, ProbeResult.Good, off.Duration() < TimeSpan.FromSeconds(2) ? "Its clock agrees with the portal's." : words, "")
            : new(ServerCheckStep.Clock, ProbeResult.Wrong, words, "Let the server and the portal keep time by the same servers: a verdict counts from the earlier of both clocks.");
    }

    private static bool BrokeOff(ServerException fault) =>
        fault.Fault == ServerFault.NotTheServer || (fault.Fault == ServerFault.Unreachable && fault.InnerException is not OperationCanceledException);
}
