using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary><c>clusters</c>: list, get and create; a new one begins with the default trust policy.</summary>
/// <param name="clusters">Reads clusters.</param>
/// <param name="create">Creates them.</param>
internal sealed class ClustersResource(ClusterDirectory clusters, CreateCluster create) : IApiResource
{
    public const string Name = "clusters";

    private const string Kind = "cluster";

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Post(Name, CreateAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
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
            ? ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => Document(call, row.Cluster))))
            : ApiAnswer.Refused(found.Refusal);
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await clusters.FindAsync(id, call.Ct) is { } row
            ? ApiAnswer.Ok(Document(call, row.Cluster))
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
            ? ApiAnswer.Created(Document(call, row.Cluster), call.Href(Name, made.Value))
            : ApiAnswer.Refused(made.Refusal ?? Refusal.NotFound(Kind, name));
    }

    private static Element Document(ApiCall call, Cluster cluster) => Element.Of(
        Kind,
        Element.Leaf("name", cluster.Name),
        Element.Leaf("description", cluster.Description),
        Element.Flag("trusted_service", cluster.Allows(TrustLevel.Trusted)),
        Element.Flag("virt_service", true),
        Element.List("trust_levels", "trust_level", Enum.GetValues<TrustLevel>().Where(cluster.Allows).Select(level => Element.Leaf("trust_level", TrustWords.Of(level)))),
        Element.Of("version", Element.Number("major", 4), Element.Number("minor", 7)))
        .With([KeyValuePair.Create("href", call.Href(Name, cluster.Id)), KeyValuePair.Create("id", cluster.Id.ToString())]);
}
