using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;

namespace Portal.Core.Baselines;

/// <summary>
/// Puts a revision in force. Only somebody who did not write it may, and only the very content they were shown. Earlier approved revisions
/// stay in force unless they are to be retired with it. Every cluster it applies to has its policy revision raised in the same transaction
/// and is appraised again at once.
/// </summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class ApproveRevision(RevisionDesk desk)
{
    /// <summary>The approval.</summary>
    /// <param name="RevisionId">The revision.</param>
    /// <param name="ContentHash">Hash of the content that was shown, hexadecimal.</param>
    /// <param name="Comment">What the approver has to say; may be empty.</param>
    /// <param name="RetirePrevious">Whether to retire all earlier approved revisions of the same baseline.</param>
    public sealed record Input(Guid RevisionId, string ContentHash, string Comment = "", bool RetirePrevious = false);

    /// <summary>
    /// Approves it. Needs <see cref="Permission.ApproveBaselines"/>. Refusals: <c>baseline.approve.own</c>, <c>baseline.approve.state</c>,
    /// <c>baseline.approve.changed</c>, <c>baseline.comment</c>.
    /// </summary>
    public Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ApproveBaselines, DeskSubject.Revision(input.RevisionId), step => AttemptAsync(step, input), ct, RefusedByKey);

    // The second line of defence: the database holds the approver to be one of the authors, whatever our own look said.
    private static Refusal? RefusedByKey(DbUpdateException fault, DeskStep step) =>
        fault is not DbUpdateConcurrencyException && fault.Entries.Any(e => e.Entity is RevisionPerson { Part: RevisionPart.Approver })
            ? BaselineRefusals.OwnWork(step.Person, step.Target.Name)
            : null;

    private static async Task<Outcome<RevisionStanding>> AttemptAsync(DeskStep step, Input input)
    {
        var found = await step.FindRevisionAsync(input.RevisionId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var comment = input.Comment?.Trim() ?? "";
        if (Objection(step.Person, found.Value, input.ContentHash, comment) is { } no)
        {
            return no;
        }

        var (revision, title) = (found.Value.Revision, found.Value.Title);
        revision.State = RevisionState.Approved;
        revision.ApprovedAt = step.Now;
        revision.ReviewComment = comment;
        revision.Version++;
        // The key (revision, person) refuses this row should the person have become an author since we looked.
        step.Db.RevisionPersons.Add(step.Row(revision.Id, RevisionPart.Approver, revision.ContentHash));
        var content = BaselineContent.Parse(revision.Content);
        step.Raise(ReappraisalCause.BaselineApproved, content);
        step.Audit("baseline.approved", $"{step.Person.Name} approved {title}{Said(comment)}.", revision);
        if (input.RetirePrevious)
        {
            await RetirePreviousAsync(step, found.Value);
        }

        return found.Value.Standing;
    }

    private static Refusal? Objection(Person person, RevisionOnDesk found, string? shownHash, string comment)
    {
        if (found.RowOf(person)?.Part is RevisionPart.Author)
        {
            return BaselineRefusals.OwnWork(person, found.Title);
        }

        if (found.Revision.State is not RevisionState.InReview)
        {
            return BaselineRefusals.NotApprovable(found.Title, found.Revision.State);
        }

        // Against the text itself, not only the column beside it.
        if (!string.Equals(shownHash, found.Revision.ContentHash, StringComparison.OrdinalIgnoreCase)
            || !string.Equals(shownHash, BaselineContent.HashOf(found.Revision.Content), StringComparison.OrdinalIgnoreCase))
        {
            return BaselineRefusals.ShownOther(found.Title);
        }

        return CommentRules.Optional.Refusal(new ReviewComment(comment));
    }

    private static async Task RetirePreviousAsync(DeskStep step, RevisionOnDesk approved)
    {
        var (baselineId, number) = (approved.Baseline.Id, approved.Revision.Number);
        var earlier = await step.Db.BaselineRevisions
            .Where(r => r.BaselineId == baselineId && r.Number < number && r.State == RevisionState.Approved)
            .OrderBy(r => r.Number)
            .ToListAsync(step.Ct);
        foreach (var revision in earlier)
        {
            revision.State = RevisionState.Retired;
            revision.RetiredAt = step.Now;
            revision.Version++;
            step.Raise(ReappraisalCause.BaselineRetired, BaselineContent.Parse(revision.Content));
            var title = RevisionStanding.TitleOf(approved.Baseline.Name, revision.Number);
            step.Audit("baseline.retired", $"{step.Person.Name} retired {title}, replaced by rev. {number}.", revision);
        }
    }

    private static string Said(string comment) => comment.Length == 0 ? "" : $": “{comment}”";
}
