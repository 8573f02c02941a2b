using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Operations;

namespace Portal.Api;

/// <summary><c>jobs</c>: operations with their steps and progress, the newest; action cancel.</summary>
/// <param name="operations">Reads and cancels them.</param>
internal sealed class JobsResource(OperationDirectory operations) : IApiResource
{
    public const string Name = "jobs";

    private const string Kind = "job";
    private const string Cancel = "cancel";
    private const int Newest = 100;

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Post($"{Name}/{{id}}/{Cancel}", CancelAsync);
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var max = call.Max();
        return max.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, (await operations.RecentAsync(Math.Min(max.Value ?? Newest, Newest), null, call.Ct)).Select(view => Document(call, view))))
            : ApiAnswer.Refused(max.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await operations.FindAsync(id, call.Ct) is { } view
            ? ApiAnswer.Ok(Document(call, view))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));

    private async Task<ApiAnswer> CancelAsync(ApiCall call)
    {
        var (_, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        // What it takes depends on the job: the core knows.
        var asked = call.Id is { } id ? await operations.CancelAsync(call.Caller, id, call.Ct) : Refusal.NotFound(Kind, FieldReader.Short(call.RouteId));
        return asked.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(asked.Refusal);
    }

    private static Element Document(ApiCall call, OperationView view)
    {
        var (operation, href) = (view.Operation, call.Href(Name, view.Operation.Id));
        return Element.Of(
            Kind,
            operation.HasEnded ? null : Element.List("actions", "link", [Element.Link("link", $"{href}/{Cancel}", rel: Cancel)]),
            Element.Leaf("description", operation.Title),
            Element.Leaf("status", Word(operation.State)),
            Element.Number("progress", operation.Progress),
            Element.At("start_time", operation.CreatedAt),
            operation.EndedAt is { } ended ? Element.At("end_time", ended) : null,
            Element.Leaf("owner", operation.PersonName),
            operation.Failure is { } why ? Element.Leaf("reason", why) : null,
            Element.List("steps", "step", view.Steps.Select(step => Element.Of("step", Element.Leaf("description", step.Title), Element.Leaf("status", Word(step.State)), Element.Leaf("progress_text", step.Sentence)))))
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", operation.Id.ToString())]);
    }

    private static string Word(OperationState state) => state switch
    {
        OperationState.Queued or OperationState.Running or OperationState.Undoing => "started",
        OperationState.Succeeded => "finished",
        OperationState.Failed => "failed",
        OperationState.Cancelled => "aborted",
    };

    private static string Word(StepState state) => state switch
    {
        StepState.Waiting => "unknown",
        StepState.Running => "started",
        StepState.Done => "finished",
        StepState.Failed => "failed",
        StepState.Undone or StepState.Stopped => "aborted",
    };
}
