using System.Text.Json.Nodes;
using Portal.E2E.Peers.Keylime;
using Portal.E2E.Peers.Servers;

namespace Portal.Tests.Attestation.Outside;

/// <summary>What a machine booted, in truth.</summary>
internal enum Machine
{
    AsApproved,
    Otherwise,
    Silent,
}

/// <summary>
/// A Keylime verifier with its registrar that verifies machines by the policies it keeps, every other second, gives up on who fails, and never shows
/// what it knows but in its answers. Beside it stands what it does not know: when each machine was last verified in truth.
/// </summary>
internal sealed class VerifierModel
{
    public const string Pcr0 = "0";

    private readonly Dictionary<string, Truth> truths = new(StringComparer.Ordinal);
    private readonly TimeProvider time;

    public VerifierModel(string name, TimeProvider time, InProcess way)
    {
        (Name, this.time) = (name, time);
        Site = new KeylimeSite { Time = time, Matches = Verified };
        way.Add(name, new KeylimeServer(Site, authority: null, isRegistrar: false) { Time = time });
        way.Add($"{name}-registrar", new KeylimeServer(Site, authority: null, isRegistrar: true) { Time = time });
    }

    /// <summary>The host in its address.</summary>
    public string Name { get; }

    public KeylimeSite Site { get; }

    /// <summary>What is known in truth of an agent.</summary>
    public Truth Of(string agent) => truths.TryGetValue(agent, out var truth) ? truth : truths[agent] = new Truth();

    public void Set(string agent, Machine machine) => Of(agent).Machine = machine;

    /// <summary>Somebody who reaches it has it compare an agent with nothing any more.</summary>
    /// <param name="agent">The agent.</param>
    /// <param name="isUnseen">Whether the portal had seen it compared as approved, and cannot know of this.</param>
    public void Edit(string agent, bool isUnseen)
    {
        if (Site.Agents.TryGetValue(agent, out var kept))
        {
            (kept.TpmPolicy, Of(agent).IsEdited) = ("""{"mask": "0x0"}""", isUnseen);
        }
    }

    /// <summary>It answered a poll: a failure it shows is known from now on.</summary>
    public void Told()
    {
        foreach (var (id, agent) in Site.Agents)
        {
            if (agent.State == 9)
            {
                Of(id).ToldOfFailureAt = Of(id).FailedAt;
            }
        }
    }

    /// <summary>Whether every agent bound here is compared with what tells a machine as approved from another.</summary>
    public bool Discerns(IEnumerable<string> agents) => agents.All(a => Site.Agents.TryGetValue(a, out var kept) && !Passes(kept.TpmPolicy, Machine.Otherwise));

    private bool? Verified(string id, SiteAgent agent)
    {
        var truth = Of(id);
        if (truth.Machine == Machine.Silent)
        {
            return null;
        }

        if (!Passes(agent.TpmPolicy, truth.Machine))
        {
            truth.FailedAt = time.GetUtcNow();
            return false;
        }

        // What was edited and not looked at since nobody can know; from the look on it counts for nothing.
        if (truth.Machine == Machine.AsApproved && (truth.IsEdited || !Passes(agent.TpmPolicy, Machine.Otherwise)))
        {
            truth.WellAt = time.GetUtcNow();
        }

        return true;
    }

    private static bool Passes(string policy, Machine machine) =>
        JsonNode.Parse(policy)!.AsObject()[Pcr0] is not JsonArray digests
        || digests.Any(d => d!.GetValue<string>() == (machine == Machine.AsApproved ? SitePool.Good : SitePool.Other));

    /// <summary>The truth about one agent.</summary>
    internal sealed class Truth
    {
        public Machine Machine { get; set; }

        /// <summary>When it was last verified while it was as approved, by what tells that.</summary>
        public DateTimeOffset WellAt { get; set; }

        public DateTimeOffset FailedAt { get; set; }

        /// <summary>The failure the portal was told of last.</summary>
        public DateTimeOffset ToldOfFailureAt { get; set; } = DateTimeOffset.MinValue;

        /// <summary>Whether somebody edited its policy and nobody looked since.</summary>
        public bool IsEdited { get; set; }
    }
}
