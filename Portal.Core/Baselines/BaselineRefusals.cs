using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>The ways a command on baselines says no.</summary>
internal static class BaselineRefusals
{
    public static Refusal NameTaken(string name) => new(
        "baseline.name.taken", RefusalKind.Conflict, $"There is a baseline '{name}' already.", "Choose another name, or start a new revision of that one.", "name");

    public static Refusal RevisionOpen(string title, RevisionState state) => Refusal.Conflict(
        "baseline.revision.open", $"{title} is {state.Words()}, and a baseline has one open revision at a time.", "Edit that revision, or have it approved first.");

    public static Refusal Immutable(string title, RevisionState state) => Refusal.Conflict(
        "baseline.edit.state", $"{title} is {state.Words()} and its content never changes again.", "Start a new revision.");

    public static Refusal EditedMeanwhile(string title) => Refusal.Conflict(
        "baseline.edit.meanwhile", $"{title} changed since you opened it.", "Open it again and repeat your change on what it says now.");

    public static Refusal NotSubmittable(string title, RevisionState state) => Refusal.Conflict(
        "baseline.submit.state",
        $"{title} is {state.Words()}; only a draft is submitted.",
        state is RevisionState.Rejected ? "Answer the reviewer's comment with an edit, then submit it." : "Nothing needs to be done, or start a new revision.");

    public static Refusal Empty(string title) => Refusal.Invalid(
        "baseline.submit.empty", "content.pcrs", $"{title} demands nothing: a host that measured nothing would match it.", "Add at least one PCR value, one event that must be there, or the digest of a file.");

    public static Refusal OwnWork(Person person, string title) => new(
        "baseline.approve.own", RefusalKind.Forbidden, $"{person.Name} wrote or edited {title} and cannot approve it.", "Ask somebody of the security team who did not edit it.");

    public static Refusal NotApprovable(string title, RevisionState state) => Refusal.Conflict(
        "baseline.approve.state", $"{title} is {state.Words()}; only a revision in review is approved.", "Look at it again; if it is a draft, it has to be submitted.");

    public static Refusal ShownOther(string title) => new(
        "baseline.approve.changed", RefusalKind.Conflict, $"{title} no longer says what you were shown.", "Review what it says now, then approve that.", "contentHash");

    public static Refusal NotRejectable(string title, RevisionState state) => Refusal.Conflict(
        "baseline.reject.state", $"{title} is {state.Words()}; only a revision in review is sent back.", "Look at it again; an approved revision is retired instead.");

    public static Refusal NotRetirable(string title, RevisionState state) => Refusal.Conflict(
        "baseline.retire.state", $"{title} is {state.Words()}; only an approved revision is retired.", "Nothing needs to be done: it is not in force.");
}
