using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Api;

/// <summary>
/// <c>hostpreparations</c>: hosts prepared over SSH. <c>POST hostpreparations/hostkey</c> shows the key of an address, <c>forgetkey</c> forgets the one confirmed; creating one names that
/// key as confirmed and answers at once, getting it tells how far it is; deleting asks to cancel.
/// </summary>
/// <param name="prepare">Prepares.</param>
/// <param name="output">What hosts said.</param>
/// <param name="operations">Reads and cancels operations.</param>
/// <param name="clusters">Finds a cluster by name.</param>
internal sealed class PreparationsResource(PrepareHost prepare, PreparationOutput output, OperationDirectory operations, ClusterDirectory clusters) : IApiResource
{
    private const string Name = "hostpreparations";
    private const string Kind = "host_preparation";

    private static readonly Dictionary<string, PreparationMode> Modes = new(StringComparer.Ordinal)
    {
        ["try"] = PreparationMode.Try, ["prepare"] = PreparationMode.Prepare, ["undo"] = PreparationMode.Undo,
    };

    public string? Collection => null;

    public void Map(ApiRoutes routes)
    {
        routes.Post($"{Name}/hostkey", call => ReadAsync(call, KeyAsync));
        routes.Post($"{Name}/forgetkey", call => ReadAsync(call, ForgetAsync));
        routes.Post(Name, call => ReadAsync(call, StartAsync));
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Delete($"{Name}/{{id}}", CancelAsync);
    }

    private static async Task<ApiAnswer> ReadAsync(ApiCall call, Func<ApiCall, FieldReader, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var (root, refused) = await call.BodyAsync(Kind);
        return refused ?? await act(call, new FieldReader(root ?? Element.Of(Kind)));
    }

    private async Task<ApiAnswer> KeyAsync(ApiCall call, FieldReader body)
    {
        var (address, port) = (body.Word("address") ?? "", PortOf(body));
        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var key = await prepare.FetchKeyAsync(call.Caller, address, port, call.Ct);
        return key.Succeeded
            ? ApiAnswer.Ok(Element.Of(
                "host_key",
                Element.Leaf("kind", key.Value.Shown.Kind),
                Element.Leaf("fingerprint", key.Value.Shown.Fingerprint),
                key.Value.ConfirmedBy is { } by ? Element.Leaf("confirmed_by", by) : null))
            : ApiAnswer.Refused(key.Refusal);
    }

    private async Task<ApiAnswer> ForgetAsync(ApiCall call, FieldReader body)
    {
        var (address, port) = (body.Word("address") ?? "", PortOf(body));
        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var done = await prepare.ForgetKeyAsync(call.Caller, address, port, call.Ct);
        return done.Succeeded ? ActionDocument.Complete() : ApiAnswer.Refused(done.Refusal);
    }

    private async Task<ApiAnswer> StartAsync(ApiCall call, FieldReader body)
    {
        if (!Modes.TryGetValue(body.Word("mode") ?? "try", out var mode))
        {
            body.Refuse("preparation.mode", "mode", "The mode is try, prepare or undo.", "Give one of them.");
        }

        var cluster = await AttestersResource.ClusterAsync(clusters, body, call.Ct);
        if (body.Wrong is null && cluster is null)
        {
            body.Refuse("preparation.cluster", "cluster.id", "The preparation names no cluster there is.", "Give cluster.id or cluster.name.");
        }

        var request = new PreparationRequest(
            mode, body.Word("host.name") ?? "", cluster ?? Guid.Empty, body.Word("address") ?? "", PortOf(body), body.Word("fingerprint") ?? "",
            [.. (body.Word("without") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        var (user, password, key, passphrase) = (body.Word("user") ?? "root", body.Text("password") ?? "", body.Text("private_key") ?? "", body.Text("passphrase") ?? "");
        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        // The core wipes it.
        var started = await prepare.StartAsync(call.Caller, request, new SshCredentials(user, password, key, passphrase), call.Ct);
        return started.Succeeded && await operations.FindAsync(started.Value, call.Ct) is { } view
            ? ApiAnswer.Created(await DocumentAsync(call, view), call.Href(Name, started.Value))
            : ApiAnswer.Refused(started.Refusal ?? Refusal.NotFound(Kind, ""));
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await operations.FindAsync(id, call.Ct) is { Operation.Kind: PreparationOutput.OperationKind } view
            ? ApiAnswer.Ok(await DocumentAsync(call, view))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));

    private async Task<ApiAnswer> CancelAsync(ApiCall call)
    {
        if (call.Id is not { } id || await operations.FindAsync(id, call.Ct) is not { Operation.Kind: PreparationOutput.OperationKind })
        {
            return ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
        }

        var done = await operations.CancelAsync(call.Caller, id, call.Ct);
        return done.Succeeded ? ActionDocument.Pending() : ApiAnswer.Refused(done.Refusal);
    }

    private async Task<Element> DocumentAsync(ApiCall call, OperationView view) => Element.Of(
        Kind,
        Element.Leaf("description", view.Operation.Title),
        Element.Leaf("status", view.Operation.State.ToString().ToLowerInvariant()),
        view.Operation.FailureCode is { } code ? Element.Leaf("reason_code", code) : null,
        view.Operation.Failure is { } why ? Element.Leaf("reason", why) : null,
        Element.List("steps", "step", view.Steps.Select(s => Element.Of("step", Element.Leaf("description", s.Title), Element.Leaf("status", s.State.ToString().ToLowerInvariant()), Element.Leaf("result", s.Sentence)))),
        Element.List("output", "line", (await output.OfAsync(view.Operation.Id, call.Ct)).Select(line => Element.Leaf("line", line))))
        .With([KeyValuePair.Create("href", call.Href(Name, view.Operation.Id)), KeyValuePair.Create("id", view.Operation.Id.ToString())]);

    private static int PortOf(FieldReader body) => (int)Math.Clamp(body.Number("port") ?? 22, 0, 65536);
}
