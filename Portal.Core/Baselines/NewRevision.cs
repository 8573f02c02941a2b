using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>Starts a new draft from a baseline's latest revision. Refused while another revision can still be edited.</summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class NewRevision(RevisionDesk desk)
{
    /// <summary>What to start from.</summary>
    /// <param name="BaselineId">The baseline.</param>
    /// <param name="Content">What the draft says; null for a copy of the latest revision.</param>
    public sealed record Input(Guid BaselineId, BaselineContent? Content = null);

    /// <summary>Creates the draft; the caller is its author. Needs <see cref="Permission.WriteBaselines"/>.</summary>
    public Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        ExecuteAsync(caller, input, Story.Revised, ct);

    internal Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, Story story, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.WriteBaselines, DeskSubject.Baseline(input.BaselineId), step => AttemptAsync(step, input, story), ct);

    private static async Task<Outcome<RevisionStanding>> AttemptAsync(DeskStep step, Input input, Story story)
    {
        var found = await step.FindBaselineAsync(input.BaselineId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var baseline = found.Value;
        var latest = await step.Db.BaselineRevisions
            .Where(r => r.BaselineId == baseline.Id)
            .OrderByDescending(r => r.Number)
            .AsNoTracking()
            .FirstAsync(step.Ct);
        // Nothing follows an open revision, so the open one, if any, is the latest.
        if (latest.State.IsOpen())
        {
            return BaselineRefusals.RevisionOpen(RevisionStanding.TitleOf(baseline.Name, latest.Number), latest.State);
        }

        var content = (input.Content ?? BaselineContent.Parse(latest.Content)).Normalized();
        if (ContentRules.RefusalOf(content, baseline.Kind) is { } bad)
        {
            return bad;
        }

        // A copy may name clusters that are gone by now; that is told when it is edited or submitted.
        if (input.Content is not null && await step.MissingClusterAsync(content) is { } badCluster)
        {
            return badCluster;
        }

        var revision = step.AddRevision(baseline.Id, latest.Number + 1, content);
        var title = RevisionStanding.TitleOf(baseline.Name, revision.Number);
        step.Audit(story.Event, $"{step.Person.Name} {story.Did("started " + title)}.", revision);
        return RevisionStanding.Of(revision);
    }
}
