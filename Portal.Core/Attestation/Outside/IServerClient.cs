using Portal.Core.Baselines;

namespace Portal.Core.Attestation.Outside;

/// <summary>The port to a kind of attestation server.</summary>
public interface IServerAdapter
{
    /// <summary>The kind.</summary>
    ServiceType Type { get; }

    /// <summary>A client of one server; lives as long as the server's settings stay as they are and remembers what it saw last. Makes no connection yet.</summary>
    IServerClient Open(ServerConnection connection);
}

/// <summary>A client of one server. Every call may throw <see cref="ServerException"/>, which says nothing about any host.</summary>
public interface IServerClient : IDisposable
{
    /// <summary>What the server says of these hosts, in as few requests as it allows.</summary>
    Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, CancellationToken ct);

    /// <summary>
    /// The same, of a server that is asked in several requests: tells what it knows of the hosts given first before the rest has answered. What was
    /// told early is in the news again.
    /// </summary>
    Task<ServerNews> PollAsync(IReadOnlyList<BoundHost> hosts, Func<IReadOnlyList<HostStatement>, Task> early, CancellationToken ct) => PollAsync(hosts, ct);

    /// <summary>Has one host verified anew: the evidence behind a <see cref="HostStatement.Trusted"/> began after this call did. Waits for it, within the caller's patience.</summary>
    Task<HostStatement> AskAsync(BoundHost host, CancellationToken ct);

    /// <summary>Every attester the server knows, enrolled or waiting.</summary>
    Task<IReadOnlyList<ServerAttester>> AttestersAsync(CancellationToken ct);

    /// <summary>Tests the connection step by step; steps that were not reached are <see cref="BuiltIn.Agents.ProbeResult.NotKnown"/>. Never throws but for cancellation.</summary>
    IAsyncEnumerable<ServerCheckLine> CheckAsync(CancellationToken ct);

    /// <summary>
    /// What the server has to keep so that it trusts whom these baselines approve, and nobody else, among these hosts of one cluster. Of each host at
    /// least one policy is that host's alone: its word counts once that was read back.
    /// A refusal names the baseline that cannot be said in the server's terms, and why.
    /// </summary>
    Outcome<IReadOnlyList<ServerPolicy>> Wanted(ApprovedSet set, IReadOnlyList<BoundHost> hosts);

    /// <summary>What the server keeps under a key, as canonical text; null when nothing.</summary>
    Task<string?> ReadPolicyAsync(string key, CancellationToken ct);

    /// <summary>Makes the server keep this; null takes it away. Returns when the server says it is done, which proves nothing: the caller reads back. Safe to repeat after a crash.</summary>
    Task WritePolicyAsync(string key, string? content, CancellationToken ct);
}
