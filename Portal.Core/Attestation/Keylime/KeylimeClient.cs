using System.Net;
using System.Text.Json;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;

namespace Portal.Core.Attestation.Keylime;

/// <summary>A client of one Keylime verifier and its registrar, versions 2.0 to 2.6. What it says of hosts is <see cref="KeylimeTracker"/>'s; this asks.</summary>
internal sealed class KeylimeClient : IServerClient, IAttesterControl, IEnrolsAnew, IAttesterEnrolment, IPolicyList
{
    /// <summary>Requests at the same time where agents have to be asked for one by one.</summary>
    private const int AtOnce = 4;

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1);

    private readonly ServerConnection connection;
    private readonly TimeProvider time;
    private readonly ServerHttp transport;
    private readonly KeylimeHttp http;
    private readonly KeylimePolicies policies;
    private readonly AgentPolicies agents;
    private readonly KeylimeEnrolment enrolment;
    private readonly KeylimeTracker tracker = new();
    private readonly SemaphoreSlim polling = new(1);
    private readonly SharedLooks looks;
    private readonly RegisteredAddresses addresses;

    /// <summary>A client that connects when it is first used.</summary>
    /// <param name="connection">How the servers are reached.</param>
    /// <param name="transport">The way there; the client's from now on.</param>
    /// <param name="networks">Networks in which agents may be asked; null for none.</param>
    /// <param name="time">Our clock.</param>
    public KeylimeClient(ServerConnection connection, ServerHttp transport, AgentNetworks? networks, TimeProvider time)
    {
        (this.connection, this.transport, this.time) = (connection, transport, time);
        http = new KeylimeHttp(connection, transport);
        agents = new AgentPolicies(http, time);
        policies = new KeylimePolicies(http, agents, time);
        enrolment = new KeylimeEnrolment(http, agents, new AgentIdentity(connection, networks, time));
        looks = new SharedLooks(LookAsync, BetweenLooks, time);
        addresses = new RegisteredAddresses((id, token) => KeylimeRegistration.ReadAsync(http, id, token), time);
    }

    /// <inheritdoc/>
    public async Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, CancellationToken ct)
    {
        await polling.WaitAsync(ct);
        try
        {
            var look = await LookAsync(ct);
            var found = look.Answer.Ids is { } ids ? await OneByOneAsync(hosts.Select(h => h.Name), ids, ct) : look.Answer.Agents;
            return new ServerNews(tracker.Read(hosts, name => found.GetValueOrDefault(name), look.Asked, time.GetUtcNow()), look.Skew);
        }
        finally
        {
            polling.Release();
        }
    }

    /// <inheritdoc/>
    public async Task<HostStatement> AskAsync(BoundHost host, CancellationToken ct)
    {
        var (fresh, began) = (new FreshEvidence(host), time.GetUtcNow());
        using var waiting = looks.Join();
        while (true)
        {
            var (asked, status) = await OneAsync(host.Name, waiting, ct);
            var now = time.GetUtcNow();
            if (fresh.Read(status, asked, now) is { } statement)
            {
                // What failed here must not be overlooked by the next poll if the agent is reactivated before.
                return statement is HostStatement.Untrusted ? tracker.Read([host], _ => status, asked, now)[0] : statement;
            }

            if (now - began >= fresh.Patience)
            {
                return new HostStatement.NothingNew(host.HostId);
            }

            await Task.Delay(BetweenLooks, time, ct);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ServerAttester>> AttestersAsync(CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, "agents/?bulk=true", null, ct);
        var answer = http.Read(reply, KeylimePart.Verifier, "all agents", body => StatusReader.Bulk(body));
        var enrolled = answer.Ids?.Select(id => new ServerAttester(id, "", true, "enrolled"))
            ?? answer.Agents.Values.Select(a => new ServerAttester(a.Id, KeylimeWords.Safe(a.Ip), true, AgentState.Words(a)));
        var all = enrolled.ToDictionary(a => a.Name, StringComparer.Ordinal);
        if (http.Has(KeylimePart.Registrar))
        {
            var waiting = (await RegisteredAsync(ct)).Where(id => !all.ContainsKey(id) && AgentRegistration.IsAgentId(id)).Distinct(StringComparer.Ordinal).ToList();
            foreach (var (id, address) in await addresses.OfAsync(waiting, ct))
            {
                all[id] = new ServerAttester(id, KeylimeWords.Safe(address), false, "registered, not enrolled");
            }
        }

        return [.. all.Values.OrderBy(a => a.Name, StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ServerCheckLine> CheckAsync(CancellationToken ct) => new ServerWay(connection, new KeylimeQuestions(http), time).CheckAsync(ct);

    /// <inheritdoc/>
    public Outcome<IReadOnlyList<ServerPolicy>> Wanted(ApprovedSet set, IReadOnlyList<BoundHost> hosts) => KeylimeWanted.Of(set, hosts);

    /// <inheritdoc/>
    public Task<string?> ReadPolicyAsync(string key, CancellationToken ct) => policies.ReadAsync(key, ct);

    /// <inheritdoc/>
    public Task WritePolicyAsync(string key, string? content, CancellationToken ct) => policies.WriteAsync(key, content, ct);

    /// <inheritdoc/>
    public async Task<string?> EnrolmentAsync(string key, CancellationToken ct) => KeylimePolicies.AgentOf(key) is { } id ? await agents.EnrolmentAsync(id, ct) : null;

    /// <inheritdoc/>
    public async Task<bool> IsAwayAsync(string key, string enrolment, CancellationToken ct) => KeylimePolicies.AgentOf(key) is { } id && await agents.IsAwayAsync(id, enrolment, ct);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> MismatchedAsync(IReadOnlyList<string> names, CancellationToken ct)
    {
        var look = await LookAsync(ct);
        var found = look.Answer.Ids is { } ids ? await OneByOneAsync(names, ids, ct) : look.Answer.Agents;
        return [.. names.Where(n => found.GetValueOrDefault(n) is { IsPush: false, State: AgentState.InvalidQuote })];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<KeptPolicy>> PoliciesAsync(CancellationToken ct) => policies.ListAsync(ct);

    /// <inheritdoc/>
    public async Task<AttesterStanding?> StandingAsync(string name, CancellationToken ct) => await StatusAsync(name, ct) is { } status
        ? new AttesterStanding(status.Count ?? 0, status.State is AgentState.Failed or AgentState.InvalidQuote, AgentState.Words(status))
        : null;

    /// <inheritdoc/>
    public async Task ReactivateAsync(string name, CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Put, $"agents/{KeylimeHttp.Escape(name)}/reactivate", null, ct);
        if (!reply.Succeeded)
        {
            throw http.Failure(reply, KeylimePart.Verifier, "the reactivation of an agent");
        }
    }

    /// <inheritdoc/>
    public Task RemoveAsync(string name, CancellationToken ct) => agents.RemoveAsync(name, ct);

    /// <inheritdoc/>
    public Task<WaitingAttester?> WaitingAsync(string name, CancellationToken ct) => enrolment.WaitingAsync(name, ct);

    /// <inheritdoc/>
    public Task ProveAsync(WaitingAttester attester, CancellationToken ct) => enrolment.ProveAsync(attester, ct);

    /// <inheritdoc/>
    public Task EnrolAsync(WaitingAttester attester, IReadOnlyList<ServerPolicy> policies, CancellationToken ct) => enrolment.EnrolAsync(attester, policies, ct);

    /// <inheritdoc/>
    public void Dispose()
    {
        transport.Dispose();
        polling.Dispose();
    }

    /// <summary>One host's word: asked for alone, or where many wait, with theirs in one question a second.</summary>
    private async Task<(DateTimeOffset Asked, AgentStatus? Status)> OneAsync(string name, SharedLooks.Place waiting, CancellationToken ct)
    {
        if (waiting.IsCrowded)
        {
            var look = await waiting.NextAsync(ct);
            if (look.Answer.Ids is null)
            {
                return (look.Asked, look.Answer.Agents.GetValueOrDefault(name));
            }
        }

        var asked = time.GetUtcNow();
        return (asked, await StatusAsync(name, ct));
    }

    private async Task<BulkLook> LookAsync(CancellationToken ct)
    {
        await http.MinorAsync(KeylimePart.Verifier, ct);
        var asked = time.GetUtcNow();
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, "agents/?bulk=true", null, ct);
        return new BulkLook(asked, ServerWay.Skew(reply, asked, time.GetUtcNow()), http.Read(reply, KeylimePart.Verifier, "all agents", body => StatusReader.Bulk(body)));
    }

    /// <summary>One agent; null when the verifier does not know it.</summary>
    private async Task<AgentStatus?> StatusAsync(string id, CancellationToken ct)
    {
        if (!AgentRegistration.IsAgentId(id))
        {
            return null;
        }

        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, $"agents/{KeylimeHttp.Escape(id)}", null, ct);
        return reply.Status == HttpStatusCode.NotFound ? null : http.Read(reply, KeylimePart.Verifier, "one agent", body => StatusReader.One(body, id));
    }

    private async Task<IReadOnlyDictionary<string, AgentStatus>> OneByOneAsync(IEnumerable<string> names, IReadOnlyList<string> ids, CancellationToken ct)
    {
        var found = new Dictionary<string, AgentStatus>(StringComparer.Ordinal);
        var wanted = names.Intersect(ids, StringComparer.Ordinal);
        await foreach (var (id, status) in EachAsync(wanted, StatusAsync, ct))
        {
            if (status is not null)
            {
                found[id] = status;
            }
        }

        return found;
    }

    private static async IAsyncEnumerable<(string Id, T? Found)> EachAsync<T>(
        IEnumerable<string> ids, Func<string, CancellationToken, Task<T?>> ask, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var few in ids.Chunk(AtOnce))
        {
            var answers = await Task.WhenAll(few.Select(id => ask(id, ct)));
            for (var i = 0; i < few.Length; i++)
            {
                yield return (few[i], answers[i]);
            }
        }
    }

    private async Task<IReadOnlyList<string>> RegisteredAsync(CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Registrar, HttpMethod.Get, "agents/", null, ct);
        return http.Read(reply, KeylimePart.Registrar, "all registrations", body => StatusReader.Bulk(body).Ids ?? throw new JsonException("It has no ids."));
    }
}
