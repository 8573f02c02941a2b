using Portal.Core;
using Portal.Core.Placement;

namespace Portal.Api;

/// <summary>Refusals as the fault documents clients know, plus the portal's own code and field.</summary>
internal static class Faults
{
    public static int StatusOf(Refusal refusal) => refusal.Kind switch
    {
        RefusalKind.Invalid => StatusCodes.Status400BadRequest,
        RefusalKind.Forbidden => StatusCodes.Status403Forbidden,
        RefusalKind.NotFound => StatusCodes.Status404NotFound,
        RefusalKind.Conflict => StatusCodes.Status409Conflict,
        RefusalKind.Unavailable => StatusCodes.Status503ServiceUnavailable,
    };

    /// <param name="refusal">Why not.</param>
    /// <param name="decision">When placement found no host: its decision, for the counts.</param>
    public static Element Of(Refusal refusal, PlacementDecision? decision = null) => Element.Of(
        "fault",
        Element.Leaf("reason", Reason(refusal)),
        Element.Leaf("detail", refusal is { Kind: RefusalKind.Invalid, Field: { } field } ? $"{field}: {refusal}" : refusal.ToString()),
        Element.Leaf("code", refusal.Code),
        refusal.Field is null ? null : Element.Leaf("field", refusal.Field),
        decision is null ? null : Counts(decision));

    private static string Reason(Refusal refusal) => refusal switch
    {
        { Kind: RefusalKind.Invalid } when refusal.Code.EndsWith(".required", StringComparison.Ordinal) => "Incomplete parameters",
        { Kind: RefusalKind.Invalid } when refusal.Code.StartsWith("body.", StringComparison.Ordinal) => "Request syntactically incorrect",
        { Kind: RefusalKind.Invalid } => "Invalid value",
        _ => "Operation Failed",
    };

    private static Element Counts(PlacementDecision decision) => Element.Of(
        "placement",
        Element.Number("considered", decision.Considered),
        Element.List("refused", "reason", decision.Counts.Select(c => Element.Of(
            "reason",
            Element.Leaf("code", c.Code),
            Element.Leaf("description", c.Words),
            Element.Number("hosts", c.Hosts)))));
}
