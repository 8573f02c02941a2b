using MudBlazor;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal.Components.Baselines;

/// <summary>The place Baselines: what hosts may boot, who wrote it and who approved it.</summary>
public static class BaselinesPages
{
    /// <summary>Adds the place; its badge counts the reviews that wait for whoever looks.</summary>
    public static IServiceCollection AddBaselinesPages(this IServiceCollection services) => services.Contribute(
        new MenuPlace("Baselines", "baselines", Icons.Material.Outlined.FactCheck, MenuOrder.Baselines)
        {
            Requires = Permission.Read,
            BadgeTopics = [ChangeTopic.Baseline],
            BadgeFor = async (services, caller, ct) =>
            {
                var pending = await services.GetRequiredService<BaselineDirectory>().PendingReviewsAsync(caller, ct);
                return pending is { Succeeded: true, Value.ForCaller: > 0 and var mine }
                    ? new MenuBadge(mine, mine == 1 ? "1 revision waits for your review" : $"{mine:N0} revisions wait for your review")
                    : null;
            },
        });
}
