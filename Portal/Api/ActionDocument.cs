using Portal.Core;
using Portal.Core.Placement;

namespace Portal.Api;

/// <summary>What actions answer: clients look for a status in an <c>action</c>, and for a fault inside it.</summary>
internal static class ActionDocument
{
    public const string Root = "action";

    public static ApiAnswer Complete(params IEnumerable<Element?> more) => ApiAnswer.Ok(Element.Of(Root, [Element.Leaf("status", "complete"), .. more]));

    public static ApiAnswer Pending(params IEnumerable<Element?> more) => new(StatusCodes.Status202Accepted, Element.Of(Root, [Element.Leaf("status", "pending"), .. more]));

    public static ApiAnswer Failed(Refusal refusal, PlacementDecision? decision = null) => Failed(Faults.StatusOf(refusal), Faults.Of(refusal, decision));

    /// <summary>Wraps another answer's fault.</summary>
    public static ApiAnswer Failed(ApiAnswer refused) => Failed(refused.Status, refused.Document!);

    private static ApiAnswer Failed(int status, Element fault) => new(status, Element.Of(Root, Element.Leaf("status", "failed"), fault));
}
