using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;

namespace Portal.Core.Inventory;

/// <summary>Changes what a cluster does when one of its hosts loses trust. It binds from now on, hosts that are untrusted already included.</summary>
/// <param name="desk">What commands on clusters share.</param>
public sealed class ChangeReaction(ClusterDesk desk)
{
    /// <summary>What to change.</summary>
    /// <param name="ClusterId">The cluster.</param>
    /// <param name="Reaction">What is to be done from now on.</param>
    /// <param name="Against">What whoever asks took for in force; null does not care.</param>
    public sealed record Input(Guid ClusterId, ReactionPolicy Reaction, ReactionPolicy? Against = null);

    /// <summary>Changes it. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>cluster.not_found</c>, <c>cluster.reaction.*</c> for a field, <c>cluster.reaction.meanwhile</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ClusterStep.Unread(input.ClusterId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Input input)
    {
        var found = await step.FindAsync(input.ClusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        if (ReactionPolicyRules.Instance.Refusal(input.Reaction) is { } invalid)
        {
            return invalid;
        }

        var (cluster, wanted) = (found.Value, input.Reaction.InWholeSeconds());
        var before = cluster.Reaction;
        if (input.Against is { } against && against != before)
        {
            return ClusterRefusals.SettingsMeanwhile("cluster.reaction.meanwhile", cluster.Name);
        }

        if (wanted == before)
        {
            return Done.Value;
        }

        cluster.Reaction = wanted;
        step.Audit("cluster.reaction", $"{step.Person.Name} changed what {cluster.Name} does when a host loses trust: {PolicyWords.Story(ReactionWords.Differences(before, wanted))}.");
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return Done.Value;
    }
}

/// <summary>Changes how VMs of a cluster move. It binds moves that begin from now on.</summary>
/// <param name="desk">What commands on clusters share.</param>
public sealed class ChangeMigration(ClusterDesk desk)
{
    /// <summary>What to change.</summary>
    /// <param name="ClusterId">The cluster.</param>
    /// <param name="Migration">How VMs move from now on.</param>
    /// <param name="Against">What whoever asks took for in force; null does not care.</param>
    public sealed record Input(Guid ClusterId, MigrationSettings Migration, MigrationSettings? Against = null);

    /// <summary>Changes it. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>cluster.not_found</c>, <c>cluster.migration.*</c> for a field, <c>cluster.migration.meanwhile</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ClusterStep.Unread(input.ClusterId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Input input)
    {
        var found = await step.FindAsync(input.ClusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        if (MigrationRules.Instance.Refusal(input.Migration) is { } invalid)
        {
            return invalid;
        }

        var (cluster, wanted) = (found.Value, input.Migration.InWholeSeconds());
        var before = cluster.Migration;
        if (input.Against is { } against && against != before)
        {
            return ClusterRefusals.SettingsMeanwhile("cluster.migration.meanwhile", cluster.Name);
        }

        if (wanted == before)
        {
            return Done.Value;
        }

        cluster.Migration = wanted;
        step.Audit("cluster.migration", $"{step.Person.Name} changed how virtual machines of {cluster.Name} move: {PolicyWords.Story(ReactionWords.Differences(before, wanted))}.");
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return Done.Value;
    }
}
