using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>Sends a revision in review back to its authors and says why. Editing makes it a draft again.</summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class RejectRevision(RevisionDesk desk)
{
    /// <summary>The rejection.</summary>
    /// <param name="RevisionId">The revision.</param>
    /// <param name="Comment">Why; required.</param>
    public sealed record Input(Guid RevisionId, string Comment);

    /// <summary>Sends it back. Needs <see cref="Permission.ApproveBaselines"/>; an author who holds it may send back their own work.</summary>
    public Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ApproveBaselines, DeskSubject.Revision(input.RevisionId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<RevisionStanding>> AttemptAsync(DeskStep step, Input input)
    {
        var found = await step.FindRevisionAsync(input.RevisionId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var (revision, title) = (found.Value.Revision, found.Value.Title);
        if (revision.State is not RevisionState.InReview)
        {
            return BaselineRefusals.NotRejectable(title, revision.State);
        }

        var comment = input.Comment?.Trim() ?? "";
        if (CommentRules.Required.Refusal(new ReviewComment(comment)) is { } bad)
        {
            return bad;
        }

        revision.State = RevisionState.Rejected;
        revision.ReviewComment = comment;
        revision.Version++;
        step.Audit("baseline.rejected", $"{step.Person.Name} sent {title} back: “{comment}”.", revision);
        return found.Value.Standing;
    }
}
