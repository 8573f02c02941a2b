using Portal.Core.Access;
using Portal.Core.Attestation;

namespace Portal.Core.Baselines;

/// <summary>
/// Takes an approved revision out of force. It only ever takes trust away, so one person suffices. Every cluster it applied to has its policy
/// revision raised in the same transaction and is appraised again at once.
/// </summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class RetireRevision(RevisionDesk desk)
{
    /// <summary>What to retire.</summary>
    /// <param name="RevisionId">The revision.</param>
    /// <param name="Comment">Why; may be empty.</param>
    public sealed record Input(Guid RevisionId, string Comment = "");

    /// <summary>Retires it. Needs <see cref="Permission.ApproveBaselines"/>.</summary>
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
        if (revision.State is not RevisionState.Approved)
        {
            return BaselineRefusals.NotRetirable(title, revision.State);
        }

        var comment = input.Comment?.Trim() ?? "";
        if (CommentRules.Optional.Refusal(new ReviewComment(comment)) is { } bad)
        {
            return bad;
        }

        revision.State = RevisionState.Retired;
        revision.RetiredAt = step.Now;
        revision.Version++;
        step.Raise(ReappraisalCause.BaselineRetired, BaselineContent.Parse(revision.Content));
        step.Audit("baseline.retired", $"{step.Person.Name} retired {title}{(comment.Length == 0 ? "" : $": “{comment}”")}.", revision);
        return found.Value.Standing;
    }
}
