using MudBlazor;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Extensions;

namespace Portal.Components.Overview;

/// <summary>The front page.</summary>
public static class OverviewFeature
{
    private const int MostFailed = 3;

    /// <summary>Adds the place Overview with what needs attention and recent activity; other features contribute further cards and lines.</summary>
    public static IServiceCollection AddOverviewFeature(this IServiceCollection services) => services
        .Contribute(new MenuPlace("Overview", "", Icons.Material.Outlined.SpaceDashboard, MenuOrder.Overview))
        .Contribute(new OverviewCard(100, typeof(AttentionCard)) { Wide = true })
        .Contribute(new OverviewCard(500, typeof(ActivityCard)))
        .Contribute(new AttentionSource(300, [ChangeTopic.Baseline], ReviewsAsync))
        .Contribute(new AttentionSource(400, [ChangeTopic.Cluster], ProposalsAsync))
        .Contribute(new AttentionSource(500, [ChangeTopic.Operation], FailuresAsync));

    private static async Task<IReadOnlyList<AttentionLine>> ReviewsAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var pending = await services.GetRequiredService<BaselineDirectory>().PendingReviewsAsync(caller, ct);
        if (pending is not { Succeeded: true, Value: { All: > 0 } waiting })
        {
            return [];
        }

        var what = waiting.All == 1 ? "1 baseline revision waits for review" : $"{waiting.All:N0} baseline revisions wait for review";
        var why = waiting.ForCaller == 0 ? "by somebody who did not write it" : waiting.ForCaller == waiting.All ? "you may be the one" : $"{waiting.ForCaller:N0} of them you may review";
        return [new AttentionLine(Tone.Info, what, why, null, "Review", "/baselines?state=review") { Count = waiting.All }];
    }

    private static async Task<IReadOnlyList<AttentionLine>> ProposalsAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var clusters = await services.GetRequiredService<ClusterDirectory>().ListAsync(ct);
        return [.. clusters.Where(c => c.Proposal is not null).Select(c => new AttentionLine(
            Tone.Info,
            $"A looser trust policy for {c.Cluster.Name} waits for a second person",
            $"proposed by {c.Proposal!.PersonName}",
            c.Proposal.At,
            "Look at it",
            $"/clusters/{Uri.EscapeDataString(c.Cluster.Name)}"))];
    }

    private static async Task<IReadOnlyList<AttentionLine>> FailuresAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var since = services.GetRequiredService<TimeProvider>().GetUtcNow().AddDays(-1);
        var failed = await services.GetRequiredService<OperationDirectory>().FailedSinceAsync(since, MostFailed, ct);
        return [.. failed.Select(f => new AttentionLine(
            Tone.Bad,
            $"'{f.Operation.Title}' failed",
            f.Refusal?.Sentence ?? f.Operation.Failure ?? "",
            f.Operation.EndedAt,
            "Look at it",
            HrefOf(f.Operation)))];
    }

    private static string HrefOf(Operation operation) => operation.TargetKind switch
    {
        "vm" => $"/vms/{operation.TargetId}",
        "host" => $"/hosts/{operation.TargetId}/activity",
        _ => "/activity",
    };
}
