using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.LostTrust;

namespace Portal.Api;

/// <summary>
/// <c>clusters</c>: list, get and create; a new one begins with the default trust policy. Changed are the attestation services it names, what it
/// does when a host loses trust, and how its VMs move. Actions on every reaction that is held back: continue and dismiss.
/// </summary>
/// <param name="clusters">Reads clusters.</param>
/// <param name="create">Creates them.</param>
/// <param name="change">Changes their trust policy.</param>
/// <param name="react">Changes what they do when a host loses trust.</param>
/// <param name="move">Changes how their VMs move.</param>
/// <param name="letGoOn">Lets held reactions go on.</param>
/// <param name="dismiss">Dismisses them.</param>
internal sealed class ClustersResource(
    ClusterDirectory clusters,
    CreateCluster create,
    ChangeTrustPolicy change,
    ChangeReaction react,
    ChangeMigration move,
    LetReactionGoOn letGoOn,
    DismissReaction dismiss) : IApiResource
{
    public const string Name = "clusters";

    private const string Kind = "cluster";

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Post(Name, CreateAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Put($"{Name}/{{id}}", ChangeAsync);
        routes.Post($"{Name}/{{id}}/reaction/continue", call => ActAsync(call, letGoOn.OfClusterAsync));
        routes.Post($"{Name}/{{id}}/reaction/dismiss", call => ActAsync(call, dismiss.OfClusterAsync));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, ["name"]);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var found = search.Value.Narrow(await clusters.ListAsync(call.Ct), row => row.Cluster.Name);
        return found.Succeeded
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => Document(call, row))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await clusters.FindAsync(id, call.Ct) is { } row
            ? ApiAnswer.Ok(Document(call, row))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));

    private async Task<ApiAnswer> CreateAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageClusters, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return refused;
        }

        var body = new FieldReader(root ?? Element.Of(Kind));
        var (name, description) = (body.Word("name") ?? "", body.Text("description") ?? "");
        if (body.Wrong is { } wrong)
        {
            return ApiAnswer.Refused(wrong);
        }

        var made = await create.ExecuteAsync(call.Caller, new(name, description, TrustLevels.Any | TrustLevels.Trusted, TrustPolicy.Default), call.Ct);
        return made.Succeeded && await clusters.FindAsync(made.Value, call.Ct) is { } row
            ? ApiAnswer.Created(Document(call, row), call.Href(Name, made.Value))
            : ApiAnswer.Refused(made.Refusal ?? Refusal.NotFound(Kind, name));
    }

    /// <summary>Takes effect at once, or answers 202 and waits for a second person, as any change of a trust policy.</summary>
    private async Task<ApiAnswer> ChangeAsync(ApiCall call)
    {
        if (await call.DemandAsync(Permission.ManageClusters, Kind) is { } denied)
        {
            return ApiAnswer.Refused(denied);
        }

        var (root, refused) = await call.BodyAsync(Kind);
        if (refused is not null)
        {
            return refused;
        }

        if (call.Id is not { } id || await clusters.FindAsync(id, call.Ct) is not { Cluster: var cluster })
        {
            return ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
        }

        var body = new FieldReader(root ?? Element.Of(Kind));
        var settings = body.Has(ClusterSettings.Reaction) || body.Has(ClusterSettings.Migration);
        var services = settings && !body.Has(ClusterServices.Name) ? cluster.Policy.Services : ClusterServices.Read(body);
        if (!services.Succeeded)
        {
            return ApiAnswer.Refused(services.Refusal);
        }

        if (settings && await SetAsync(call, cluster, body) is { } no)
        {
            return ApiAnswer.Refused(ClusterSettings.AsWritten(no));
        }

        var changed = await change.ExecuteAsync(call.Caller, new(id, cluster.Policy with { Services = services.Value }, cluster.PolicyRevision), call.Ct);
        if (!changed.Succeeded)
        {
            return ApiAnswer.Refused(changed.Refusal.Field == "services" ? changed.Refusal with { Field = ClusterServices.Name } : changed.Refusal);
        }

        var waits = changed.Value.Effect is PolicyEffect.WaitsForSecondPerson;
        return await clusters.FindAsync(id, call.Ct) is { } after
            ? new ApiAnswer(waits ? StatusCodes.Status202Accepted : StatusCodes.Status200OK, Document(call, after))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, id.ToString()));
    }

    /// <summary>Reaction and migration settings, where the body has them: all are read before one is changed.</summary>
    private async Task<Refusal?> SetAsync(ApiCall call, Cluster cluster, FieldReader body)
    {
        var reaction = ClusterSettings.Read(body, cluster.Reaction);
        var migration = ClusterSettings.Read(body, cluster.Migration);
        var invalid = reaction.Refusal ?? migration.Refusal ?? ReactionPolicyRules.Instance.Refusal(reaction.Value) ?? MigrationRules.Instance.Refusal(migration.Value);
        if (invalid is not null)
        {
            return invalid;
        }

        var reacts = await react.ExecuteAsync(call.Caller, new(cluster.Id, reaction.Value, cluster.Reaction), call.Ct);
        return reacts.Refusal ?? (await move.ExecuteAsync(call.Caller, new(cluster.Id, migration.Value, cluster.Migration), call.Ct)).Refusal;
    }

    private static async Task<ApiAnswer> ActAsync(ApiCall call, Func<Caller, Guid, CancellationToken, Task<Outcome<Done>>> act)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
        {
            return ActionDocument.Failed(denied);
        }

        var (_, refused) = await call.BodyAsync(ActionDocument.Root);
        if (refused is not null)
        {
            return ActionDocument.Failed(refused);
        }

        var done = call.Id is { } id ? await act(call.Caller, id, call.Ct) : Refusal.NotFound(Kind, FieldReader.Short(call.RouteId));
        return done.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(done.Refusal);
    }

    private static Element Document(ApiCall call, ClusterRow row)
    {
        var cluster = row.Cluster;
        return Element.Of(
            Kind,
            Element.Leaf("name", cluster.Name),
            Element.Leaf("description", cluster.Description),
            Element.Flag("trusted_service", cluster.Allows(TrustLevel.Trusted)),
            Element.Flag("virt_service", true),
            Element.List("trust_levels", "trust_level", Enum.GetValues<TrustLevel>().Where(cluster.Allows).Select(level => Element.Leaf("trust_level", TrustWords.Of(level)))),
            ClusterServices.Document(call, cluster.Policy.Services),
            ClusterSettings.Document(cluster.Reaction),
            ClusterSettings.Document(cluster.Migration),
            row.Proposal is { } waiting && !waiting.IsVoidFor(cluster) ? Waiting(call, waiting) : null,
            Element.Of("version", Element.Number("major", 4), Element.Number("minor", 7)))
            .With([KeyValuePair.Create("href", call.Href(Name, cluster.Id)), KeyValuePair.Create("id", cluster.Id.ToString())]);
    }

    private static Element Waiting(ApiCall call, PolicyProposal waiting) => Element.Of(
        "waiting_policy",
        ClusterServices.Document(call, waiting.ReadPolicy().Services),
        Element.Leaf("proposed_by", waiting.PersonName),
        Element.At("proposed_at", waiting.At))
        .With([KeyValuePair.Create("id", waiting.Id.ToString())]);
}
