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
internal sealed class OatClient : IServerClient, IPinsHosts, IPolicyList
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
    public Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, CancellationToken ct) => PollAsync(hosts, static _ => Task.CompletedTask, ct);

    /// <inheritdoc/>
    public async Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, Func<IReadOnlyList<HostStatement>, Task> early, CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            return await PollAloneAsync(hosts, early, ct);
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
            return Remembered(host, statement);
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
    public IReadOnlyList<ServerPolicy> Pinned(IReadOnlyList<BoundHost> hosts) =>
        [.. hosts.Select(h => new ServerPolicy(OatHosts.ReachKey(h.Name), $"where the agent of host {h.Name} is reached", "", h.HostId))];

    /// <inheritdoc/>
    public Task<string?> ReadPolicyAsync(string key, CancellationToken ct) => OatHosts.ReachOf(key) is { } reached ? hosts.ReadReachAsync(reached, ct) : Of(key) switch
    {
        (null, { } host) => hosts.ReadAsync(host, ct),
        ({ } mle, _) => lists.ReadAsync(mle, ct),
        _ => throw NoKey(key),
    };

    /// <inheritdoc/>
    public Task WritePolicyAsync(string key, string? content, CancellationToken ct) => OatHosts.ReachOf(key) is { } reached ? hosts.WriteReachAsync(reached, content, ct) : Of(key) switch
    {
        (null, { } host) => hosts.WriteAsync(host, content, ct),
        ({ } mle, _) => lists.WriteAsync(mle, content, ct),
        _ => throw NoKey(key),
    };

    /// <inheritdoc/>
    public Task<IReadOnlyList<KeptPolicy>> PoliciesAsync(CancellationToken ct) => lists.ListAsync(ct);

    /// <inheritdoc/>
    public void Dispose()
    {
        wire.Dispose();
        one.Dispose();
    }

    /// <summary>
    /// Asks in batches. One that fails says nothing of its hosts and takes nothing from the others; where all that are asked at the same time fail,
    /// the server is not asked any further.
    /// </summary>
    private async Task<ServerNews> PollAloneAsync(IReadOnlyList<BoundHost> asked, Func<IReadOnlyList<HostStatement>, Task> early, CancellationToken ct)
    {
        TimeSpan? skew = null;
        var statements = new List<HostStatement>(asked.Count);
        var untrusted = new List<(BoundHost Host, OatWord Word)>();
        var left = new Queue<BoundHost[][]>(asked.Chunk(OatPoll.BatchSize).Chunk(BatchesAtOnce));
        ServerException? fault = null;
        await dialects.OfAsync(ct);
        while (left.TryDequeue(out var few))
        {
            var (known, failed) = (statements.Count, 0);
            foreach (var (batch, answer) in few.Zip(await Task.WhenAll(few.Select(batch => AskBatchAsync(batch, ct)))))
            {
                if (answer.Fault is not null)
                {
                    (fault, failed) = (answer.Fault, failed + 1);
                    statements.AddRange(batch.Select(h => OatWords.NoAnswer(h, connection.Name, answer.Fault)));
                    continue;
                }

                skew = answer.Date - time.GetUtcNow() ?? skew;
                foreach (var host in batch)
                {
                    var word = answer.Words!.GetValueOrDefault(host.Name);
                    if (OatPoll.Meaning(host, word, answer.Asked) is { } statement)
                    {
                        statements.Add(Remembered(host, statement));
                    }
                    else
                    {
                        untrusted.Add((host, word!));
                    }
                }
            }

            if (failed == few.Length)
            {
                if (known + untrusted.Count == 0)
                {
                    throw new ServerException(fault!.Fault, fault.Message, fault.Remedy, fault);
                }

                statements.AddRange(left.SelectMany(batches => batches).SelectMany(batch => batch).Select(h => OatWords.NoAnswer(h, connection.Name, fault!)));
                break;
            }

            if (left.Count > 0)
            {
                await early(statements[known..]);
            }
        }

        statements.AddRange(await reasons.OfAsync(untrusted, ct));
        return new ServerNews(statements, skew);
    }

    private HostStatement Remembered(BoundHost host, HostStatement statement)
    {
        if (statement is HostStatement.Trusted)
        {
            reasons.Trusted(host.Name);
        }

        return statement;
    }

    private async Task<(DateTimeOffset Asked, DateTimeOffset? Date, IReadOnlyDictionary<string, OatWord>? Words, ServerException? Fault)> AskBatchAsync(BoundHost[] batch, CancellationToken ct)
    {
        try
        {
            var (asked, date, words) = await poll.AskAsync([.. batch.Select(h => h.Name)], withChecks: false, ct);
            return (asked, date, words, null);
        }
        catch (ServerException fault)
        {
            return (default, null, null, fault);
        }
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
