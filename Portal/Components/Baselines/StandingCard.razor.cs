using Microsoft.AspNetCore.Components;
using Portal.Core.Access;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>What one may do with a revision.</summary>
public enum StandingAction
{
    Edit,
    Submit,
    Approve,
    Reject,
    Retire,
    NewRevision,
}

/// <summary>Where a revision stands and what there is to do, by its state and by what the person may do.</summary>
public sealed partial class StandingCard
{
    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required RevisionView View { get; set; }

    /// <summary>The baseline's latest revision: a new one is only started after it.</summary>
    [Parameter, EditorRequired]
    public required RevisionRow Latest { get; set; }

    [Parameter]
    public EventCallback<StandingAction> Asked { get; set; }

    [Parameter]
    public bool Busy { get; set; }

    private RevisionRow Row => View.Revision;

    private RevisionState State => View.Revision.State;

    private bool MayWrite => Caller.May(Permission.WriteBaselines);

    private IEnumerable<(StandingAction Action, string Title, bool IsPrimary)> Actions
    {
        get
        {
            var mayReview = Caller.May(Permission.ApproveBaselines);
            var mayApprove = State is RevisionState.InReview && View.WhyNotApprovable is null;
            if (mayApprove)
            {
                yield return (StandingAction.Approve, "Approve…", true);
            }

            if (State is RevisionState.Draft && MayWrite)
            {
                yield return (StandingAction.Submit, "Submit for review", true);
            }

            if (State is RevisionState.InReview && mayReview)
            {
                yield return (StandingAction.Reject, "Send back…", false);
            }

            if (State.IsOpen() && MayWrite)
            {
                yield return (StandingAction.Edit, State is RevisionState.InReview ? "Edit (takes it out of review)" : "Edit", State is RevisionState.Rejected);
            }

            if (!State.IsOpen() && !Latest.State.IsOpen() && MayWrite)
            {
                yield return (StandingAction.NewRevision, "New revision", State is RevisionState.Approved);
            }

            if (State is RevisionState.Approved && mayReview)
            {
                yield return (StandingAction.Retire, "Retire…", false);
            }
        }
    }

    private static string Names(IReadOnlyList<RevisionParticipant> people) =>
        people.Count == 0 ? "nobody on record" : BaselineLook.Together(people.Select(p => p.Person.Name));
}
