using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>
/// Changes what an open revision says. Whoever edits is an author of it from then on. A revision in review, or sent back, becomes a draft
/// again, and whatever approval there was is void. Approved and retired revisions are never edited: a new revision is.
/// </summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class EditRevision(RevisionDesk desk)
{
    /// <summary>The edit.</summary>
    /// <param name="RevisionId">The revision.</param>
    /// <param name="Version">The version that was edited; another one means somebody else was there in between.</param>
    /// <param name="Content">What it shall say.</param>
    public sealed record Input(Guid RevisionId, int Version, BaselineContent Content);

    /// <summary>Saves the edit. Needs <see cref="Permission.WriteBaselines"/>.</summary>
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
        if (!revision.State.IsOpen())
        {
            return BaselineRefusals.Immutable(title, revision.State);
        }

        if (revision.Version != input.Version)
        {
            return BaselineRefusals.EditedMeanwhile(title);
        }

        var content = (input.Content ?? BaselineContent.EmptyOf(found.Value.Baseline.Kind)).Normalized();
        if (ContentRules.RefusalOf(content, found.Value.Baseline.Kind) is { } bad)
        {
            return bad;
        }

        if (await step.MissingClusterAsync(content) is { } badCluster)
        {
            return badCluster;
        }

        var text = content.ToCanonicalJson();
        if (string.Equals(text, revision.Content, StringComparison.Ordinal) && revision.State is not RevisionState.Rejected)
        {
            return found.Value.Standing;
        }

        Author(step, found.Value);
        var was = revision.State;
        revision.Content = text;
        revision.ContentHash = BaselineContent.HashOf(text);
        revision.State = RevisionState.Draft;
        revision.Version++;
        step.Audit("baseline.edited", $"{step.Person.Name} edited {title}{Aftermath(was)}.", revision);
        return found.Value.Standing;
    }

    // An approval exists only on approved revisions, which are not edited; should one ever stand here, the edit voids it,
    // and the row of a person who edits always says author.
    private static void Author(DeskStep step, RevisionOnDesk found)
    {
        var own = found.RowOf(step.Person);
        step.Db.RevisionPersons.RemoveRange(found.People.Where(p => p.Part is RevisionPart.Approver && p != own));
        if (own is null)
        {
            step.Db.RevisionPersons.Add(step.Row(found.Revision.Id, RevisionPart.Author, null));
        }
        else
        {
            own.Part = RevisionPart.Author;
            own.ContentHash = null;
        }
    }

    private static string Aftermath(RevisionState was) => was switch
    {
        RevisionState.InReview => "; it was in review and is a draft again",
        RevisionState.Rejected => "; it had been sent back and is a draft again",
        RevisionState.Draft or RevisionState.Approved or RevisionState.Retired => "",
    };
}
