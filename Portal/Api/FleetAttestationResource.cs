using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;

namespace Portal.Api;

/// <summary><c>hosts/attest</c> and <c>clusters/{id}/attest</c>: ask all hosts for new evidence. With <c>async</c> they answer at once; the job tells how far it is.</summary>
/// <param name="fleet">Attests.</param>
/// <param name="operation">Waits.</param>
internal sealed class FleetAttestationResource(AttestFleet fleet, VmOperation operation) : IApiResource
{
    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Post($"{HostsResource.Name}/attest", call => ActAsync(call, isOfCluster: false));
        routes.Post($"{ClustersResource.Name}/{{id}}/attest", call => ActAsync(call, isOfCluster: true));
    }

    private async Task<ApiAnswer> ActAsync(ApiCall call, bool isOfCluster)
    {
        if (await call.DemandAsync(Permission.ManageHosts, isOfCluster ? "cluster" : "host") is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        var fields = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        var isAsync = fields.Flag("async") ?? false;
        if (fields.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        if (isOfCluster && call.Id is null)
        {
            return ActionDocument.Failed(Refusal.NotFound("cluster", FieldReader.Short(call.RouteId)));
        }

        var begun = await fleet.ExecuteAsync(call.Caller, isOfCluster ? call.Id : null, call.Ct);
        return begun.Succeeded ? await AnswerAsync(call, begun.Value.OperationId, isAsync) : ActionDocument.Failed(begun.Refusal);
    }

    private async Task<ApiAnswer> AnswerAsync(ApiCall call, Guid id, bool isAsync)
    {
        var job = Element.Link("job", call.Href(JobsResource.Name, id), id.ToString());
        if (isAsync)
        {
            return ActionDocument.Pending(job);
        }

        return await operation.WaitAsync(id, call.Ct) switch
        {
            { Refusal: { } why } => ActionDocument.Failed(why),
            { IsGoing: true } => ActionDocument.Pending(job),
            _ => ActionDocument.Complete(job),
        };
    }
}
