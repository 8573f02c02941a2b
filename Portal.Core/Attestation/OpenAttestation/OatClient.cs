using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>OpenAttestation as an attestation server.</summary>
/// <param name="time">Our clock.</param>
public sealed class OatAdapter(TimeProvider time) : IServerAdapter
{
    /// <inheritdoc/>
    public ServiceType Type => ServiceType.OpenAttestation;

    /// <inheritdoc/>
    public IServerClient Open(ServerConnection connection) => new OatClient(connection, time);
}

/// <summary>Registers OpenAttestation.</summary>
public static class OatFeature
{
    /// <summary>Lets servers be of type <see cref="ServiceType.OpenAttestation"/>.</summary>
    public static IServiceCollection AddOpenAttestation(this IServiceCollection services) => services.AddSingleton<IServerAdapter, OatAdapter>();
}

/// <summary>A client of one OpenAttestation server, 1.5 to 2.3.</summary>
internal sealed class OatClient : IServerClient
{
    /// <summary>Batches that are asked about at the same time: each makes the server ask that many agents.</summary>
    private const int BatchesAtOnce = 4;

    private readonly ServerConnection connection;
    private readonly TimeProvider time;
    private readonly OatWire wire;
    private readonly OatDialects dialects;
    private readonly OatPoll poll;
    private readonly OatHosts hosts;
    private readonly OatWhiteLists lists;
    private readonly OatReasons reasons;
    private readonly SemaphoreSlim one = new(1, 1);

    /// <summary>A client that connects when it is first used.</summary>
    public OatClient(ServerConnection connection, TimeProvider time)
    {
        (this.connection, this.time) = (connection, time);
        wire = new OatWire(connection, time);
        dialects = new OatDialects(wire);
        poll = new OatPoll(wire, dialects, time);
        hosts = new OatHosts(wire, dialects);
        lists = new OatWhiteLists(wire, dialects);
        reasons = new OatReasons(wire, dialects, poll, time);
    }

    /// <inheritdoc/>
    public async Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            return await PollAloneAsync(hosts, ct);
        }
        catch (ServerException)
        {
            // It may be another server, or another release, when it is back.
            dialects.Forget();
            throw;
        }
        finally
        {
            one.Release();
        }
    }

    /// <inheritdoc/>
    public async Task<HostStatement> AskAsync(BoundHost host, CancellationToken ct)
    {
        var (asked, _, words) = await poll.AskAsync([host.Name], withChecks: false, ct);
        var word = words.GetValueOrDefault(host.Name);
        if (OatPoll.Meaning(host, word, asked) is { } statement)
        {
            return statement;
        }

        await one.WaitAsync(ct);
        try
        {
            return (await reasons.OfAsync([(host, word!)], ct))[0];
        }
        finally
        {
            one.Release();
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ServerAttester>> AttestersAsync(CancellationToken ct) => hosts.ListAsync(ct);

    /// <inheritdoc/>
    public IAsyncEnumerable<ServerCheckLine> CheckAsync(CancellationToken ct) => new ServerWay(connection, new Questions(this), time).CheckAsync(ct);

    /// <inheritdoc/>
    public Outcome<IReadOnlyList<ServerPolicy>> Wanted(ApprovedSet set, IReadOnlyList<BoundHost> hosts) => OatWanted.Of(set, hosts);

    /// <inheritdoc/>
    public Task<string?> ReadPolicyAsync(string key, CancellationToken ct) => Of(key) switch
    {
        (null, { } host) => hosts.ReadAsync(host, ct),
        ({ } mle, _) => lists.ReadAsync(mle, ct),
        _ => throw NoKey(key),
    };

    /// <inheritdoc/>
    public Task WritePolicyAsync(string key, string? content, CancellationToken ct) => Of(key) switch
    {
        (null, { } host) => hosts.WriteAsync(host, content, ct),
        ({ } mle, _) => lists.WriteAsync(mle, content, ct),
        _ => throw NoKey(key),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        wire.Dispose();
        one.Dispose();
    }

    private async Task<ServerNews> PollAloneAsync(IReadOnlyList<BoundHost> asked, CancellationToken ct)
    {
        TimeSpan? skew = null;
        var statements = new List<HostStatement>(asked.Count);
        var untrusted = new List<(BoundHost Host, OatWord Word)>();
        await dialects.OfAsync(ct);
        foreach (var few in asked.Chunk(OatPoll.BatchSize).Chunk(BatchesAtOnce))
        {
            var answers = await Task.WhenAll(few.Select(batch => poll.AskAsync([.. batch.Select(h => h.Name)], withChecks: false, ct)));
            foreach (var (batch, answer) in few.Zip(answers))
            {
                skew = answer.Date - time.GetUtcNow() ?? skew;
                foreach (var host in batch)
                {
                    var word = answer.Words.GetValueOrDefault(host.Name);
                    if (OatPoll.Meaning(host, word, answer.Asked) is { } statement)
                    {
                        statements.Add(statement);
                    }
                    else
                    {
                        untrusted.Add((host, word!));
                    }
                }
            }
        }

        statements.AddRange(await reasons.OfAsync(untrusted, ct));
        return new ServerNews(statements, skew);
    }

    private static (OatMle? Mle, string? Host) Of(string key) =>
        key.StartsWith("host/", StringComparison.Ordinal) ? (null, Uri.UnescapeDataString(key["host/".Length..]))
        : key.StartsWith("mle/", StringComparison.Ordinal) ? (OatMle.Parse(key["mle/".Length..]), null)
        : (null, null);

    private static ArgumentException NoKey(string key) => new($"No key of OpenAttestation's: {key}", nameof(key));

    private sealed class Questions(OatClient client) : IServerQuestions
    {
        public async Task<ServerAnswer> VersionAsync(CancellationToken ct)
        {
            var (dialect, date) = await client.dialects.AnewAsync(ct);
            return new ServerAnswer(ProbeResult.Good, dialect == OatDialect.First ? "It speaks as releases 1.5 to 1.7 do." : "It speaks as releases 2.0 to 2.3 do.", "", date);
        }

        public Task<ServerAnswer> AuthorisationAsync(CancellationToken ct) => Task.FromResult(new ServerAnswer(
            ProbeResult.Good,
            "It lets us in, as it does everybody: OpenAttestation itself checks nobody's rights.",
            "Whoever reaches the server can edit its white lists. Let only the portal and the hosts reach it; the portal watches the white lists it published."));

        public async Task<ServerAnswer> QueryAsync(CancellationToken ct)
        {
            var hosts = await client.hosts.ListAsync(ct);
            return new ServerAnswer(ProbeResult.Good, hosts.Count == 1 ? "It knows 1 host." : FormattableString.Invariant($"It knows {hosts.Count:N0} hosts."), hosts.Count == 0 ? "Register the hosts' agents there." : "");
        }
    }
}
