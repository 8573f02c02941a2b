using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// What a cluster's approved baselines are in Keylime's terms: one named runtime policy, which agents refer to, and for each agent the digests
/// approved by PCR. In the order in which they have to be written. Pure.
/// </summary>
internal static class KeylimeWanted
{
    /// <summary>Letters of a cluster's id in the name of its policy; those at the end, because ids made at the same time begin alike.</summary>
    private const int ShortId = 12;

    /// <summary>The name of a cluster's runtime policy.</summary>
    public static string RuntimeName(Guid clusterId) => $"portal-{clusterId.ToString("N")[^ShortId..]}";

    /// <summary>The policies, or why these baselines cannot be said.</summary>
    public static Outcome<IReadOnlyList<ServerPolicy>> Of(ApprovedSet set, IReadOnlyList<BoundHost> hosts)
    {
        var policies = new List<ServerPolicy>();
        var kinds = PolicyWords.KindsIn(set.RequiredKinds).ToList();
        if (kinds.Find(kind => !set.Revisions.Any(r => r.Kind == kind)) is not BaselineKinds.None and var missing)
        {
            return Refusal.Conflict("keylime.policy.no_baseline", $"No {PolicyWords.Kinds(missing)} baseline is approved for this cluster, so Keylime shall trust nobody.", "Approve one, or do not require that kind.");
        }

        var runtime = kinds.Contains(BaselineKinds.Runtime) ? RuntimeName(set.ClusterId) : null;
        if (runtime is not null)
        {
            var revisions = set.Revisions.Where(r => r.Kind == BaselineKinds.Runtime).ToList();
            if (revisions.Select(CannotSay).FirstOrDefault(r => r is not null) is { } refusal)
            {
                return refusal;
            }

            policies.Add(new ServerPolicy(KeylimePolicies.RuntimeKey(runtime), $"runtime policy {runtime} ({Titles(revisions)})", PolicyText.Runtime(revisions.Select(r => r.Content.Runtime!))));
        }

        var boot = set.Revisions.Where(r => kinds.Contains(r.Kind) && r.Kind != BaselineKinds.Runtime).ToList();
        string? digests = null;
        if (boot.Count > 0)
        {
            var said = PcrTerms.Of(boot);
            if (!said.Succeeded)
            {
                return said.Refusal;
            }

            digests = PolicyText.Tpm(said.Value);
        }

        foreach (var host in hosts)
        {
            if (digests is not null)
            {
                policies.Add(new ServerPolicy(KeylimePolicies.AgentKey(host.Name), $"PCRs of agent {host.Name} ({Titles(boot)})", digests, host.HostId));
            }

            if (runtime is not null)
            {
                policies.Add(new ServerPolicy(KeylimePolicies.AgentRuntimeKey(host.Name), $"runtime policy that agent {host.Name} uses", runtime, host.HostId));
            }
        }

        return policies;
    }

    private static Refusal? CannotSay(ApprovedRevision revision)
    {
        var why = revision.Content.Runtime switch
        {
            null => "it lists no files",
            { Anywhere.Length: > 0 } => "it allows digests at any path, and Keylime keeps them by path",
            { ToleratesViolations: true } => "it passes over entries without a digest, which a policy in Keylime cannot say",
            _ => null,
        };
        return why is null ? null : Refusal.Conflict("keylime.policy.cannot_say", $"{revision.Title} cannot be said in Keylime's terms: {why}.", "Approve a revision without it for the clusters that Keylime serves.");
    }

    private static string Titles(IEnumerable<ApprovedRevision> revisions) => string.Join(", ", revisions.Select(r => r.Title));
}
