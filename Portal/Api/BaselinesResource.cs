using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>
/// <c>baselines</c>: list, get, and capture from a host. Actions submit, approve, reject and retire work on the latest revision; approving names
/// the content that was looked at, and nobody approves what they wrote.
/// </summary>
/// <param name="baselines">Reads them.</param>
/// <param name="capture">Captures.</param>
/// <param name="submit">Submits.</param>
/// <param name="approve">Approves.</param>
/// <param name="reject">Sends back.</param>
/// <param name="retire">Retires.</param>
/// <param name="hosts">Finds a host by name.</param>
internal sealed class BaselinesResource(
    BaselineDirectory baselines,
    CaptureBaseline capture,
    SubmitRevision submit,
    ApproveRevision approve,
    RejectRevision reject,
    RetireRevision retire,
    HostDirectory hosts) : IApiResource
{
    public const string Name = "baselines";

    private const string Kind = "baseline";

    private static readonly string[] Actions = ["submit", "approve", "reject", "retire"];

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Post(Name, CaptureAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        On(routes, "submit", Permission.WriteBaselines, (call, revision, _) => submit.ExecuteAsync(call.Caller, new(revision.Id), call.Ct));
        On(routes, "approve", Permission.ApproveBaselines, ApproveAsync);
        On(routes, "reject", Permission.ApproveBaselines, (call, revision, body) => reject.ExecuteAsync(call.Caller, new(revision.Id, body.Word("comment") ?? ""), call.Ct));
        On(routes, "retire", Permission.ApproveBaselines, (call, revision, body) => retire.ExecuteAsync(call.Caller, new(revision.Id, body.Word("comment") ?? ""), call.Ct));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var rows = new List<BaselineRow>();
        while (true)
        {
            var page = await baselines.ListAsync(call.Caller, new BaselineQuery(Skip: rows.Count, Take: 200), call.Ct);
            if (!page.Succeeded)
            {
                return ApiAnswer.Refused(page.Refusal);
            }

            rows.AddRange(page.Value.Items);
            if (page.Value.Items.Count == 0 || rows.Count >= page.Value.Total)
            {
                break;
            }
        }

        var found = search.Value.Narrow(rows, row => row.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => Document(call, row.Id, row.Name, row.Kind, row.Description, row.HostsMatching, row.LatestNumber, row.LatestState))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call)
    {
        if (call.Id is not { } id)
        {
            return ApiAnswer.Refused(NotFound(call));
        }

        var view = await baselines.ReadAsync(call.Caller, id, call.Ct);
        return view.Succeeded ? ApiAnswer.Ok(Document(call, view.Value)) : ApiAnswer.Refused(view.Refusal);
    }

    /// <summary>A draft of what a host measured last: of a new baseline, or as the next revision of one of that name.</summary>
    private async Task<ApiAnswer> CaptureAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.WriteBaselines, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return refused;
        }

        var input = await WantedAsync(call, new FieldReader(root ?? Element.Of(Kind)));
        if (!input.Succeeded)
        {
            return ApiAnswer.Refused(input.Refusal);
        }

        var captured = await capture.ExecuteAsync(call.Caller, input.Value, call.Ct);
        if (!captured.Succeeded)
        {
            return ApiAnswer.Refused(captured.Refusal);
        }

        var view = await baselines.ReadAsync(call.Caller, captured.Value.BaselineId, call.Ct);
        return view.Succeeded
            ? ApiAnswer.Created(Document(call, view.Value), call.Href(Name, view.Value.Id))
            : ApiAnswer.Refused(view.Refusal);
    }

    private async Task<Outcome<CaptureBaseline.Input>> WantedAsync(ApiCall call, FieldReader body)
    {
        var (name, kind, description, host) = (body.Word("name"), body.Word("kind"), body.Text("description"), Reference.Read(body, "host"));
        if (host is null)
        {
            body.Refuse("baseline.host", "host.id", "The baseline names no host to capture from.", "Give host.id or host.name.");
        }

        if (!Enum.TryParse<BaselineKinds>(kind, ignoreCase: true, out var parsed) || !PolicyWords.AllKinds.Contains(parsed))
        {
            body.Refuse("baseline.kind", "kind", $"'{FieldReader.Short(kind ?? "")}' is no kind of baseline.", "The kind is firmware, hypervisor or runtime.");
        }

        if (body.Wrong is { } wrong)
        {
            return wrong;
        }

        var row = host!.Id is null
            ? await hosts.FindByNameAsync(host.Name!, call.Ct)
            : Guid.TryParse(host.Id, out var id) ? await hosts.FindAsync(id, call.Ct) : null;
        var known = host.Among("host", row is null ? [] : [(row.Host.Id, row.Host.Name)]);
        if (!known.Succeeded)
        {
            return known.Refusal;
        }

        var same = await baselines.ListAsync(call.Caller, new BaselineQuery(Search: name, Take: 200), call.Ct);
        var into = same.Succeeded ? same.Value.Items.FirstOrDefault(b => b.Name == name)?.Id : null;
        return new CaptureBaseline.Input(known.Value, parsed, name ?? "", description ?? "", into);
    }

    private void On(ApiRoutes routes, string action, Permission permission, Func<ApiCall, RevisionRow, FieldReader, Task<Outcome<RevisionStanding>>> act) =>
        routes.Post($"{Name}/{{id}}/{action}", call => ActAsync(call, permission, act));

    private async Task<ApiAnswer> ActAsync(ApiCall call, Permission permission, Func<ApiCall, RevisionRow, FieldReader, Task<Outcome<RevisionStanding>>> act)
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

        if (call.Id is not { } id)
        {
            return ActionDocument.Failed(NotFound(call));
        }

        var view = await baselines.ReadAsync(call.Caller, id, call.Ct);
        if (!view.Succeeded)
        {
            return ActionDocument.Failed(view.Refusal);
        }

        var body = new FieldReader(root ?? Element.Of(ActionDocument.Root));
        var done = await act(call, view.Value.Revisions[0], body);
        if (body.Wrong is { } wrong)
        {
            return ActionDocument.Failed(wrong);
        }

        if (!done.Succeeded)
        {
            return ActionDocument.Failed(done.Refusal);
        }

        var after = await baselines.ReadAsync(call.Caller, id, call.Ct);
        return after.Succeeded ? ActionDocument.Complete(Document(call, after.Value)) : ActionDocument.Complete();
    }

    private async Task<Outcome<RevisionStanding>> ApproveAsync(ApiCall call, RevisionRow revision, FieldReader body)
    {
        var (hash, comment, retires) = (body.Word("content_hash"), body.Text("comment"), body.Flag("retire_previous"));
        if (hash is not { Length: > 0 })
        {
            body.Refuse("baseline.approve.hash", "content_hash", "An approval names the content that was looked at.", "Give content_hash as the revision shows it.");
        }

        return body.Wrong is { } wrong
            ? wrong
            : await approve.ExecuteAsync(call.Caller, new(revision.Id, hash!, comment ?? "", retires ?? false), call.Ct);
    }

    private static Refusal NotFound(ApiCall call) => Refusal.NotFound(Kind, FieldReader.Short(call.RouteId));

    private static Element Document(ApiCall call, BaselineView view) => Document(
        call, view.Id, view.Name, view.Kind, view.Description, view.HostsMatching, view.Revisions[0].Number, view.Revisions[0].State,
        Element.List("revisions", "revision", view.Revisions.Select(Revision)));

    private static Element Document(ApiCall call, Guid id, string name, BaselineKinds kind, string description, int hosts, int number, RevisionState state, params IEnumerable<Element> more)
    {
        var href = call.Href(Name, id);
        return Element.Of(
            Kind,
            [
                Element.List("actions", "link", Actions.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
                Element.Leaf("name", name),
                Element.Leaf("kind", kind.ToString().ToLowerInvariant()),
                Element.Leaf("description", description),
                Element.Number("latest", number),
                Element.Leaf("status", Word(state)),
                Element.Number("hosts_matching", hosts),
                .. more,
            ])
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", id.ToString())]);
    }

    private static Element Revision(RevisionRow revision) => Element.Of(
        "revision",
        Element.Number("number", revision.Number),
        Element.Leaf("status", Word(revision.State)),
        Element.Leaf("content_hash", revision.ContentHash),
        Element.At("created_at", revision.CreatedAt),
        revision.ApprovedAt is { } approved ? Element.At("approved_at", approved) : null,
        Element.List("authors", "person", revision.Authors.Select(a => Element.Leaf("person", a.Person.Name))),
        Element.List("approvers", "person", revision.Approvers.Select(a => Element.Leaf("person", a.Person.Name))),
        Element.Number("hosts_matching", revision.HostsMatching))
        .With([KeyValuePair.Create("id", revision.Id.ToString())]);

    private static string Word(RevisionState state) => state switch
    {
        RevisionState.Draft => "draft",
        RevisionState.InReview => "in_review",
        RevisionState.Approved => "approved",
        RevisionState.Rejected => "rejected",
        RevisionState.Retired => "retired",
    };
}
