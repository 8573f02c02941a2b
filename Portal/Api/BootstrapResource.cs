using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>hostscript</c>: the script that prepares a host. <c>enrolmenttickets</c>: which hosts are expected; list, create (the ticket is answered once) and delete.</summary>
/// <param name="scripts">Makes the script.</param>
/// <param name="tickets">Makes and withdraws tickets.</param>
/// <param name="clusters">Finds a cluster by name.</param>
internal sealed class BootstrapResource(HostScripts scripts, EnrolmentTickets tickets, ClusterDirectory clusters) : IApiResource
{
    private const string Name = "enrolmenttickets";
    private const string Kind = "enrolment_ticket";

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get("hostscript", ScriptAsync);
        routes.Get(Name, async call => ApiAnswer.Ok(Element.List(Name, Kind, (await tickets.ListAsync(call.Ct)).Select(row => Document(call, row.Ticket)))));
        routes.Post(Name, CreateAsync);
        routes.Delete($"{Name}/{{id}}", DeleteAsync);
    }

    private async Task<ApiAnswer> ScriptAsync(ApiCall call)
    {
        var made = await scripts.MakeAsync(call.Caller, new(call.Parameter("contact"), call.Parameter("agent_id")), call.Ct);
        return made.Succeeded
            ? ApiAnswer.Ok(Element.Of("host_script", Element.Leaf("sha256", made.Value.Sha256), Element.Leaf("content", made.Value.Text)))
            : ApiAnswer.Refused(made.Refusal);
    }

    private async Task<ApiAnswer> CreateAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return refused;
        }

        var body = new FieldReader(root ?? Element.Of(Kind));
        var (host, hours) = (body.Word("host.name") ?? "", body.Number("hours") ?? (long)EnrolmentTickets.Lifetime.TotalHours);
        var cluster = await AttestersResource.ClusterAsync(clusters, body, call.Ct);
        if (body.Wrong is null && cluster is null)
        {
            body.Refuse("ticket.cluster", "cluster.id", "The ticket names no cluster there is.", "Give cluster.id or cluster.name.");
        }

        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var made = await tickets.CreateAsync(call.Caller, new(host, cluster!.Value), TimeSpan.FromHours(Math.Clamp(hours, 0, 10_000)), call.Ct);
        if (!made.Succeeded)
        {
            return ApiAnswer.Refused(made.Refusal);
        }

        var href = call.Href(Name, made.Value.Id);
        return ApiAnswer.Created(
            Element.Of(Kind, Element.Leaf("ticket", made.Value.Ticket), Element.At("expires", made.Value.ExpiresAt))
                .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", made.Value.Id.ToString())]),
            href);
    }

    private async Task<ApiAnswer> DeleteAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (call.Id is not { } id)
        {
            return ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
        }

        var done = await tickets.WithdrawAsync(call.Caller, id, call.Ct);
        return done.Succeeded ? ActionDocument.Complete() : ApiAnswer.Refused(done.Refusal);
    }

    private static Element Document(ApiCall call, EnrolmentTicket ticket) => Element.Of(
        Kind,
        Element.Of("host", Element.Leaf("name", ticket.HostName)),
        Element.Link("cluster", call.Href(ClustersResource.Name, ticket.ClusterId), ticket.ClusterId.ToString()),
        Element.Leaf("created_by", ticket.CreatedBy),
        Element.At("expires", ticket.ExpiresAt),
        ticket.UsedAt is { } used ? Element.At("used", used) : null,
        ticket.EndorsementHash is { } hash ? Element.Leaf("endorsement_hash", hash) : null)
        .With([KeyValuePair.Create("href", call.Href(Name, ticket.Id)), KeyValuePair.Create("id", ticket.Id.ToString())]);
}
