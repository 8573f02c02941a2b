using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;

namespace Portal.Core.Inventory;

/// <summary>
/// Creates a cluster. Its first policy is the default or a stricter one: a looser one takes a second person, as everywhere,
/// or else a new cluster would be the way round the second person.
/// </summary>
/// <param name="desk">What commands on clusters share.</param>
public sealed class CreateCluster(ClusterDesk desk)
{
    /// <summary>What to create.</summary>
    /// <param name="Name">Unique; see <see cref="ClusterRules"/>.</param>
    /// <param name="Description">What it is for.</param>
    /// <param name="AllowedLevels">Trust levels its VMs may have.</param>
    /// <param name="Policy">Its trust policy.</param>
    public sealed record Input(string Name, string Description, TrustLevels AllowedLevels, TrustPolicy Policy);

    /// <summary>Creates it and returns its id. Needs <see cref="Permission.ManageClusters"/>.</summary>
    public Task<Outcome<Guid>> ExecuteAsync(Caller caller, Input input, CancellationToken ct)
    {
        var words = new ClusterWords(input.Name?.Trim() ?? "", input.Description?.Trim() ?? "", input.AllowedLevels);
        var shown = words.Name.Length <= ClusterRules.LongestName ? words.Name : words.Name[..ClusterRules.LongestName];
        return desk.RunAsync(caller, Permission.ManageClusters, new AuditTarget("cluster", null, shown), step => AttemptAsync(step, words, input.Policy), ct);
    }

    private static async Task<Outcome<Guid>> AttemptAsync(ClusterStep step, ClusterWords words, TrustPolicy policy)
    {
        if ((ClusterRules.Instance.Refusal(words) ?? TrustPolicyRules.Instance.Refusal(policy)) is { } invalid)
        {
            return invalid;
        }

        var servers = await step.Db.ServerNamesAsync(step.Ct);
        if (ClusterRefusals.UnknownService(policy.Services, servers) is { } unknown)
        {
            return unknown;
        }

        var looser = PolicyWords.Differences(TrustPolicy.Default, policy, servers).Where(d => d.IsLooser).ToList();
        if (looser.Count > 0)
        {
            return ClusterRefusals.LooserThanDefault(looser);
        }

        if (await step.Db.Clusters.AnyAsync(c => c.Name == words.Name, step.Ct))
        {
            return ClusterRefusals.NameTaken(words.Name);
        }

        var cluster = Cluster.Create(words.Name, policy);
        (cluster.Description, cluster.AllowedLevels) = (words.Description, words.AllowedLevels);
        step.Db.Clusters.Add(cluster);
        step.About(cluster);
        step.Audit("cluster.created", $"{step.Person.Name} created the cluster {cluster.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return cluster.Id;
    }
}

/// <summary>Changes a cluster's name, description and the trust levels it allows. Levels bind VMs made or changed from now on; those that exist keep theirs.</summary>
/// <param name="desk">What commands on clusters share.</param>
public sealed class EditCluster(ClusterDesk desk)
{
    /// <summary>What to change; null leaves as it is.</summary>
    /// <param name="ClusterId">The cluster.</param>
    /// <param name="Name">New name.</param>
    /// <param name="Description">New description.</param>
    /// <param name="AllowedLevels">Trust levels new VMs may have.</param>
    public sealed record Input(Guid ClusterId, string? Name = null, string? Description = null, TrustLevels? AllowedLevels = null);

    /// <summary>Changes it. Needs <see cref="Permission.ManageClusters"/>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ClusterStep.Unread(input.ClusterId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Input input)
    {
        var found = await step.FindAsync(input.ClusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var cluster = found.Value;
        var before = new ClusterWords(cluster.Name, cluster.Description, cluster.AllowedLevels);
        var after = new ClusterWords(input.Name?.Trim() ?? before.Name, input.Description?.Trim() ?? before.Description, input.AllowedLevels ?? before.AllowedLevels);
        if (ClusterRules.Instance.Refusal(after) is { } invalid)
        {
            return invalid;
        }

        if (after == before)
        {
            return Done.Value;
        }

        if (after.Name != before.Name && await step.Db.Clusters.AnyAsync(c => c.Name == after.Name && c.Id != cluster.Id, step.Ct))
        {
            return ClusterRefusals.NameTaken(after.Name);
        }

        (cluster.Name, cluster.Description, cluster.AllowedLevels) = (after.Name, after.Description, after.AllowedLevels);
        step.About(cluster);
        step.Audit("cluster.edited", $"{step.Person.Name} changed the cluster {before.Name}: {Story(before, after)}.");
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return Done.Value;
    }

    private static string Story(ClusterWords before, ClusterWords after)
    {
        var said = new List<string>();
        if (before.Name != after.Name)
        {
            said.Add($"it is now called {after.Name}");
        }

        if (before.Description != after.Description)
        {
            said.Add("a new description");
        }

        if (before.AllowedLevels != after.AllowedLevels)
        {
            said.Add($"new virtual machines may have the trust level {Levels(after.AllowedLevels)}");
        }

        return string.Join(", ", said);
    }

    private static string Levels(TrustLevels levels) => levels switch
    {
        TrustLevels.Any => "any only",
        TrustLevels.Trusted => "trusted only",
        _ => "any or trusted",
    };
}

/// <summary>Deletes a cluster that has neither hosts nor VMs.</summary>
/// <param name="desk">What commands on clusters share.</param>
public sealed class DeleteCluster(ClusterDesk desk)
{
    /// <summary>Deletes it, and a proposal that waits with it. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>cluster.not_empty</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid clusterId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ClusterStep.Unread(clusterId), step => AttemptAsync(step, clusterId), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid clusterId)
    {
        var found = await step.FindAsync(clusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var cluster = found.Value;
        var hosts = await step.Db.Hosts.CountAsync(h => h.ClusterId == clusterId, step.Ct);
        var vms = await step.Db.VirtualMachines.CountAsync(v => v.ClusterId == clusterId, step.Ct);
        if (hosts + vms > 0)
        {
            return ClusterRefusals.NotEmpty(cluster.Name, hosts, vms);
        }

        // A host or VM that came meanwhile holds a reference: the database refuses and we look again.
        step.Db.Clusters.Remove(cluster);
        step.Audit("cluster.deleted", $"{step.Person.Name} deleted the cluster {cluster.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, clusterId));
        return Done.Value;
    }
}
