using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>clusters</c>: list, get and create; a new one begins with the default trust policy. Changed are the attestation services it names.</summary>
/// <param name="clusters">Reads clusters.</param>
/// <param name="create">Creates them.</param>
/// <param name="change">Changes their trust policy.</param>
internal sealed class ClustersResource(ClusterDirectory clusters, CreateCluster create, ChangeTrustPolicy change) : IApiResource
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

        var services = ClusterServices.Read(new FieldReader(root ?? Element.Of(Kind)));
        if (!services.Succeeded)
        {
            return ApiAnswer.Refused(services.Refusal);
        }

        var changed = await change.ExecuteAsync(call.Caller, new(id, cluster.Policy with { Services = services.Value }, cluster.PolicyRevision), call.Ct);
        if (!changed.Succeeded)
        {
            return ApiAnswer.Refused(changed.Refusal.Field == "services" ? changed.Refusal with { Field = ClusterServices.Name } : changed.Refusal);
        }

        return await clusters.FindAsync(id, call.Ct) is { } after
            ? new ApiAnswer(changed.Value.Effect is PolicyEffect.WaitsForSecondPerson ? StatusCodes.Status202Accepted : StatusCodes.Status200OK, Document(call, after))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, id.ToString()));
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
