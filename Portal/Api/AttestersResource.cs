using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Api;

/// <summary><c>attesters</c>: agents that registered themselves. List, get and delete; actions accept (one person each), refuse and enrol.</summary>
/// <param name="registrations">Reads them.</param>
/// <param name="accept">Accepts.</param>
/// <param name="dismiss">Refuses and removes.</param>
/// <param name="enrol">Enrols.</param>
/// <param name="clusters">Finds a cluster by name.</param>
/// <param name="authority">What agents have to let in.</param>
internal sealed class AttestersResource(
    RegistrationDirectory registrations,
    AcceptAttester accept,
    DismissAttester dismiss,
    EnrolRegistered enrol,
    ClusterDirectory clusters,
    AgentAuthority authority) : IApiResource
{
    public const string Name = "attesters";

    private const string Kind = "attester";

    private static readonly string[] Actions = ["accept", "enrol", "refuse"];

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Get("agentauthority", call => Task.FromResult(ApiAnswer.Ok(Element.Of("agent_authority", Element.Leaf("certificate", authority.Published())))));
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Delete($"{Name}/{{id}}", DeleteAsync);
        routes.Post($"{Name}/{{id}}/accept", call => ActAsync(call, Permission.ManageClusters, AcceptAsync));
        routes.Post($"{Name}/{{id}}/enrol", call => ActAsync(call, Permission.ManageHosts, EnrolAsync));
        routes.Post($"{Name}/{{id}}/refuse", call => ActAsync(call, Permission.ManageHosts, async (c, id, _) => Answer(await dismiss.RefuseAsync(c.Caller, id, c.Ct))));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow(await registrations.ListAsync(call.Ct), row => row.Attester.AgentId);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => Document(call, row))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await registrations.FindAsync(id, call.Ct) is { } row
            ? ApiAnswer.Ok(Document(call, row))
            : ApiAnswer.Refused(NotFound(call));

    private async Task<ApiAnswer> DeleteAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        if (call.Id is not { } id)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var done = await dismiss.RemoveAsync(call.Caller, id, call.Ct);
        return done.Succeeded ? ActionDocument.Complete() : ApiAnswer.Refused(done.Refusal);
    }

    private static async Task<ApiAnswer> ActAsync(ApiCall call, Permission permission, Func<ApiCall, Guid, FieldReader, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(permission, Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (root, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        return call.Id is { } id
            ? await act(call, id, new FieldReader(root ?? Element.Of(ActionDocument.Root)))
            : ActionDocument.Failed(NotFound(call));
    }

    private async Task<ApiAnswer> AcceptAsync(ApiCall call, Guid id, FieldReader body)
    {
        var hash = body.Word("endorsement_hash");
        return body.Wrong is { } wrong ? ActionDocument.Failed(wrong) : Answer(await accept.ExecuteAsync(call.Caller, id, hash, call.Ct));
    }

    private async Task<ApiAnswer> EnrolAsync(ApiCall call, Guid id, FieldReader body)
    {
        if (body.Word("host.name") is not { Length: > 0 } host)
        {
            body.Refuse("attester.host_name", "host.name", "The action names no host.", "Give host.name: an existing host of the cluster, or a new name.");
            return ActionDocument.Failed(body.Wrong!);
        }

        var cluster = await ClusterAsync(clusters, body, call.Ct);
        if (cluster is not { } clusterId)
        {
            body.Refuse("attester.cluster", "cluster.id", "The action names no cluster there is.", "Give cluster.id or cluster.name.");
            return ActionDocument.Failed(body.Wrong!);
        }

        var enrolled = await enrol.ExecuteAsync(call.Caller, id, new HostToEnrol(host, clusterId), call.Ct);
        return enrolled.Succeeded
            ? ActionDocument.Complete(Element.Link("host", call.Href(HostsResource.Name, enrolled.Value), enrolled.Value.ToString()))
            : ActionDocument.Failed(enrolled.Refusal);
    }

    internal static async Task<Guid?> ClusterAsync(ClusterDirectory clusters, FieldReader body, CancellationToken ct) =>
        body.Word("cluster.id") is { Length: > 0 } given
            ? Guid.TryParse(given, out var id) && await clusters.FindAsync(id, ct) is not null ? id : null
            : body.Word("cluster.name") is { Length: > 0 } name
                ? (await clusters.ListAsync(ct)).FirstOrDefault(c => c.Cluster.Name == name)?.Cluster.Id
                : null;

    private static ApiAnswer Answer(Outcome<Done> done) => done.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(done.Refusal);

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound(Kind, FieldReader.Short(call.RouteId));

    private static Element Document(ApiCall call, Registration row)
    {
        var (attester, href) = (row.Attester, call.Href(Name, row.Attester.Id));
        return Element.Of(
            Kind,
            Element.List("actions", "link", Actions.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
            Element.Leaf("name", attester.AgentId),
            Element.Leaf("status", attester.Status.ToString().ToLowerInvariant()),
            row.WaitsFor is { } waits ? Element.Leaf("waits_for", waits) : null,
            attester.Why.Length > 0 ? Element.Leaf("reason", attester.Why) : null,
            Element.Leaf("address", attester.Address),
            Element.Number("port", attester.Port),
            Element.Leaf("seen_from", attester.SeenFrom),
            Element.Leaf("endorsement_hash", attester.EndorsementHash),
            Element.Of("endorsement_certificate", Element.Leaf("verdict", Word(row.Origin.Verdict)), Element.Leaf("reason", row.Origin.Sentence)),
            Element.List("expected_as", "host", row.Expected.Select(e => Element.Of("host", Element.Leaf("name", e.HostName), Element.Link("cluster", call.Href(ClustersResource.Name, e.ClusterId), e.ClusterId.ToString())))),
            Element.List("accepted_by", "person", row.AcceptedBy.Select(name => Element.Leaf("person", name))),
            attester.HostId is { } host ? Element.Link("host", call.Href(HostsResource.Name, host), host.ToString()) : null)
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", attester.Id.ToString())]);
    }

    private static string Word(EndorsementVerdict verdict) => verdict switch
    {
        EndorsementVerdict.Valid => "valid",
        EndorsementVerdict.VirtualTpm => "virtual_tpm",
        EndorsementVerdict.NoCertificate => "none",
        EndorsementVerdict.Unreadable => "unreadable",
        EndorsementVerdict.NotForEndorsement => "not_for_endorsement",
        EndorsementVerdict.KeyDiffers => "key_differs",
        EndorsementVerdict.UnknownIssuer => "unknown_issuer",
        EndorsementVerdict.OutOfDate => "out_of_date",
    };
}
