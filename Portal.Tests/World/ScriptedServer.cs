using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;

namespace Portal.Tests.World;

/// <summary>How a host does in the eyes of a scripted server.</summary>
internal enum Doing
{
    Well,
    Mismatching,
    Silent,
}

/// <summary>
/// An attestation server as its port shows it: verifies each of its hosts anew every second of the test's time while it is up, keeps policies,
/// and does as a test tells it. What real servers say on the wire is tested where their adapters are.
/// </summary>
internal sealed class ScriptedServer(TimeProvider time) : IServerAdapter
{
    private readonly ConcurrentDictionary<string, Doing> hosts = new(StringComparer.Ordinal);
    private readonly List<string> edited = [];
    private readonly List<DateTimeOffset> trusted = [];

    public ServiceType Type => ServiceType.Keylime;

    /// <summary>What it keeps, by key.</summary>
    public ConcurrentDictionary<string, string> Policies { get; } = new(StringComparer.Ordinal);

    /// <summary>Set while nobody is answered.</summary>
    public bool IsDown { get; set; }

    /// <summary>Set while it says yes to what is written and keeps what it had.</summary>
    public bool IgnoresWrites { get; set; }

    /// <summary>Writes that still succeed before all further ones fail; null for no such fault.</summary>
    public int? WritesLeft { get; set; }

    /// <summary>Why it cannot be told what is approved; null when it can.</summary>
    public Refusal? CannotSay { get; set; }

    public int Polls { get; private set; }

    public int Asks { get; private set; }

    /// <summary>Names of the hosts it was asked about last, in their order.</summary>
    public IReadOnlyList<string> LastPolled { get; private set; } = [];

    /// <summary>Whether it told of a host that was verified since a moment.</summary>
    public bool Trusts(DateTimeOffset since)
    {
        lock (trusted)
        {
            return trusted.Exists(t => t >= since);
        }
    }

    /// <summary>Runs before a host is asked about alone.</summary>
    public Action<string>? OnAsk { get; set; }

    /// <summary>Runs before a policy is written, with its key and content; what it throws the writer gets.</summary>
    public Action<string, string?>? OnWrite { get; set; }

    /// <summary>Set where it removes an attester and enrols it anew to keep another policy for it.</summary>
    public bool EnrolsAnew { get; set; }

    /// <summary>Keys of attesters that are removed and not enrolled anew yet.</summary>
    public HashSet<string> Away { get; } = new(StringComparer.Ordinal);

    /// <summary>Runs when one is removed, before it is enrolled anew.</summary>
    public Action? OnRemoved { get; set; }

    /// <summary>Runs after a policy was read, before that is answered.</summary>
    public Func<string, Task>? OnRead { get; set; }

    /// <summary>Runs when an answer on hosts is made, before it is given.</summary>
    public Func<Task>? OnAnswer { get; set; }

    public IReadOnlyList<string> Written => edited;

    public Doing this[string name]
    {
        get => hosts.GetValueOrDefault(name, Doing.Well);
        set => hosts[name] = value;
    }

    public IServerClient Open(ServerConnection connection) => new Client(this, connection.Name);

    private void Answer(string name)
    {
        if (IsDown)
        {
            throw new ServerException(ServerFault.Unreachable, $"Nothing listens where {name} should.", "Start it.");
        }
    }

    /// <summary>Names of attesters it gave up on.</summary>
    public HashSet<string> GaveUp { get; } = new(StringComparer.Ordinal);

    /// <summary>What it lists as its policies.</summary>
    public List<KeptPolicy> Kept { get; } = [];

    /// <summary>Names of attesters that are registered and that it does not verify yet.</summary>
    public HashSet<string> Waiting { get; } = new(StringComparer.Ordinal);

    /// <summary>Reactivations it was told.</summary>
    public int Reactivations { get; private set; }

    /// <summary>Names of attesters that are removed.</summary>
    public HashSet<string> Removed { get; } = new(StringComparer.Ordinal);

    /// <summary>Accepts removals and does none.</summary>
    public bool IgnoresRemovals { get; set; }

    private sealed class Client(ScriptedServer server, string name) : IServerClient, IAttesterControl, IEnrolsAnew, IPolicyList
    {
        private readonly Dictionary<Guid, long> counts = [];
        private readonly Dictionary<string, string> recalled = new(StringComparer.Ordinal);
        private readonly HashSet<string> failed = new(StringComparer.Ordinal);
        private DateTimeOffset? asked;

        private long Count => server.Now.ToUnixTimeSeconds();

        public async Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, CancellationToken ct)
        {
            var now = server.Now;
            server.Polls++;
            server.LastPolled = [.. hosts.Select(h => h.Name)];
            server.Answer(name);
            var said = hosts.Select(h => Say(h, asked)).ToList();
            asked = now;
            lock (server.trusted)
            {
                server.trusted.AddRange(said.OfType<HostStatement.Trusted>().Select(t => t.VerifiedAt));
            }

            await (server.OnAnswer?.Invoke() ?? Task.CompletedTask);
            return new ServerNews(said, TimeSpan.Zero);
        }

        public async Task<HostStatement> AskAsync(BoundHost host, CancellationToken ct)
        {
            server.Asks++;
            server.OnAsk?.Invoke(host.Name);
            server.Answer(name);
            var said = server[host.Name] == Doing.Well ? new HostStatement.Trusted(host.HostId, server.Now, []) : Say(host, asked);
            await (server.OnAnswer?.Invoke() ?? Task.CompletedTask);
            return said;
        }

        public Task<IReadOnlyList<ServerAttester>> AttestersAsync(CancellationToken ct)
        {
            server.Answer(name);
            return Task.FromResult<IReadOnlyList<ServerAttester>>([.. server.hosts.Keys.Select(h => new ServerAttester(h, "", !server.Waiting.Contains(h), ""))]);
        }

        public async IAsyncEnumerable<ServerCheckLine> CheckAsync([EnumeratorCancellation] CancellationToken ct)
        {
            yield return new ServerCheckLine(ServerCheckStep.Name, ProbeResult.Good, "Its name leads there.", "");
            yield return await Task.FromResult(server.IsDown
                ? new ServerCheckLine(ServerCheckStep.Port, ProbeResult.Wrong, "Nothing listens there.", "Start it.")
                : new ServerCheckLine(ServerCheckStep.Port, ProbeResult.Good, "It answers.", ""));
        }

        public Outcome<IReadOnlyList<ServerPolicy>> Wanted(ApprovedSet set, IReadOnlyList<BoundHost> hosts) => server.CannotSay is { } no
            ? no
            : Outcome.Of<IReadOnlyList<ServerPolicy>>([
                .. set.Revisions.Select(r => new ServerPolicy($"policy/{r.Name}/{set.ClusterId:N}", $"policy {r.Name}", r.RevisionId.ToString())),
                .. hosts.Select(h => new ServerPolicy($"host/{h.Name}", $"policies of {h.Name}", set.ClusterId.ToString(), h.HostId)),
            ]);

        public async Task<string?> ReadPolicyAsync(string key, CancellationToken ct)
        {
            server.Answer(name);
            var kept = server.Policies.GetValueOrDefault(key);
            await (server.OnRead?.Invoke(key) ?? Task.CompletedTask);
            return kept;
        }

        public Task WritePolicyAsync(string key, string? content, CancellationToken ct)
        {
            server.Answer(name);
            server.OnWrite?.Invoke(key, content);
            if (server.EnrolsAnew && key.StartsWith("host/", StringComparison.Ordinal))
            {
                if (server.Away.Contains(key) && !recalled.ContainsKey(key))
                {
                    throw new ServerException(ServerFault.NothingThere, "It knows no such attester.", "Enrol it.");
                }

                server.Away.Add(key);
                server.Policies.TryRemove(key, out _);
                server.OnRemoved?.Invoke();
                server.Away.Remove(key);
            }

            if (server.WritesLeft is { } left && (server.WritesLeft = left - 1) < 0)
            {
                throw new ServerException(ServerFault.Failed, "Its disk is full.", "Make room.");
            }

            server.edited.Add(key);
            if (content is null)
            {
                server.Policies.TryRemove(key, out _);
            }
            else if (!server.IgnoresWrites)
            {
                server.Policies[key] = content;
            }

            return Task.CompletedTask;
        }

        public void Dispose()
        {
        }

        public Task<IReadOnlyList<KeptPolicy>> PoliciesAsync(CancellationToken ct)
        {
            server.Answer(name);
            return Task.FromResult<IReadOnlyList<KeptPolicy>>([.. server.Kept]);
        }

        public Task<AttesterStanding?> StandingAsync(string attester, CancellationToken ct)
        {
            server.Answer(name);
            return Task.FromResult(server.Removed.Contains(attester) ? null : new AttesterStanding(Count, server.GaveUp.Contains(attester), server.GaveUp.Contains(attester) ? "was given up on" : "is verified"));
        }

        public Task ReactivateAsync(string attester, CancellationToken ct)
        {
            server.Answer(name);
            server.Reactivations++;
            server.GaveUp.Remove(attester);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<string>> MismatchedAsync(IReadOnlyList<string> names, CancellationToken ct)
        {
            server.Answer(name);
            return Task.FromResult<IReadOnlyList<string>>([.. names.Where(n => server.GaveUp.Contains(n) && server[n] == Doing.Mismatching)]);
        }

        public Task<string?> EnrolmentAsync(string key, CancellationToken ct)
        {
            server.Answer(name);
            return Task.FromResult(server.EnrolsAnew && key.StartsWith("host/", StringComparison.Ordinal) ? $"all of {key}" : null);
        }

        public Task<bool> IsAwayAsync(string key, string enrolment, CancellationToken ct)
        {
            server.Answer(name);
            if (server.Away.Contains(key))
            {
                recalled[key] = enrolment;
            }

            return Task.FromResult(server.Away.Contains(key));
        }

        public Task RemoveAsync(string attester, CancellationToken ct)
        {
            server.Answer(name);
            if (!server.IgnoresRemovals)
            {
                server.Removed.Add(attester);
            }

            return Task.CompletedTask;
        }

        private HostStatement Say(BoundHost host, DateTimeOffset? before) => server[host.Name] switch
        {
            Doing.Mismatching => new HostStatement.Untrusted(host.HostId, [new Finding(FindingCode.ServerFoundMismatch, "PCR 4 is not as it should be.", "Look at it.") { Short = "PCR 4 differs" }]) { IsNew = failed.Add(host.Name) && before is not null },
            Doing.Silent => new HostStatement.Trouble(host.HostId, CheckOutcome.AgentUnreachable, new Finding(FindingCode.AgentSilent, "Its agent is silent.", "Start it.") { Short = "agent silent" }),
            Doing.Well => SayWell(host, before),
        };

        private HostStatement SayWell(BoundHost host, DateTimeOffset? before)
        {
            failed.Remove(host.Name);
            var grown = before is not null && counts.TryGetValue(host.HostId, out var had) && Count > had;
            counts[host.HostId] = Count;
            return grown ? new HostStatement.Trusted(host.HostId, before!.Value, []) : new HostStatement.NothingNew(host.HostId);
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();
}
