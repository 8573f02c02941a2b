using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>Submits a draft for review. From then on somebody who did not write it may approve it.</summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class SubmitRevision(RevisionDesk desk)
{
    /// <summary>What to submit.</summary>
    /// <param name="RevisionId">The revision.</param>
    /// <param name="Version">The version that was shown; null submits whatever it says now.</param>
    public sealed record Input(Guid RevisionId, int? Version = null);

    /// <summary>Submits it. Needs <see cref="Permission.WriteBaselines"/>. A revision that demands nothing is refused (<c>baseline.submit.empty</c>).</summary>
    public Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.WriteBaselines, DeskSubject.Revision(input.RevisionId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<RevisionStanding>> AttemptAsync(DeskStep step, Input input)
    {
        var found = await step.FindRevisionAsync(input.RevisionId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var (revision, title) = (found.Value.Revision, found.Value.Title);
        if (revision.State is not RevisionState.Draft)
        {
            return BaselineRefusals.NotSubmittable(title, revision.State);
        }

        if (input.Version is { } version && version != revision.Version)
        {
            return BaselineRefusals.EditedMeanwhile(title);
        }

        var content = BaselineContent.Parse(revision.Content);
        if ((ContentRules.RefusalOf(content, found.Value.Baseline.Kind) ?? await step.MissingClusterAsync(content)) is { } bad)
        {
            return bad;
        }

        if (!content.DemandsSomething())
        {
            return BaselineRefusals.Empty(title);
        }

        revision.State = RevisionState.InReview;
        revision.SubmittedAt = step.Now;
        revision.ReviewComment = "";
        revision.Version++;
        step.Audit("baseline.submitted", $"{step.Person.Name} submitted {title} for review.", revision);
        return found.Value.Standing;
    }
}
