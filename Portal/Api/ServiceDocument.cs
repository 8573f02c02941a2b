using System.Globalization;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>An attestation service as a document. A private key has no way into it.</summary>
internal static class ServiceDocument
{
    public const string Kind = "attestation_service";

    private static readonly string[] Actions = ["test", "confirm", "reject", "bind", "unbind"];

    public static Element Of(ApiCall call, ServiceRow row)
    {
        var href = call.Href(AttestationServicesResource.Name, row.Id);
        return Element.Of(
            Kind,
            [
                row.IsBuiltIn ? null : Element.List("actions", "link", Actions.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
                Element.Leaf("name", row.Name),
                Element.Leaf("type", ServiceTypes.Word(row.Type)),
                .. row.Server is { } server ? Settings(server, row.HasKey) : [],
                Health(row),
                Element.List("clusters", "cluster", row.Clusters.Select(c => Cluster(call, c))),
                row.Proposal is { } waiting && row.Server is { } of ? Change(waiting, of) : null,
            ])
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", row.Id.ToString())]);
    }

    /// <summary>What "test connection" found.</summary>
    public static Element Lines(IReadOnlyList<ServerCheckLine> lines) => Element.List("lines", "line", lines.Select(line => Element.Of(
        "line",
        Element.Leaf("step", line.Step.ToString().ToLowerInvariant()),
        Element.Leaf("result", line.Result switch
        {
            ProbeResult.Good => "good",
            ProbeResult.Wrong => "wrong",
            ProbeResult.NotKnown => "not_known",
        }),
        Element.Leaf("description", line.Sentence),
        line.Remedy.Length > 0 ? Element.Leaf("remedy", line.Remedy) : null)));

    /// <summary>Who keeps the policies, on the wire.</summary>
    public static string Word(PolicyKeeper keeper) => keeper switch
    {
        PolicyKeeper.Portal => "portal",
        PolicyKeeper.Server => "server",
    };

    private static IEnumerable<Element?> Settings(AttestationServer server, bool hasKey) =>
    [
        .. Endpoint(server.Endpoint),
        server.ClientCertificate.Length > 0 ? Element.Leaf("client_certificate", server.ClientCertificate) : null,
        .. ShownCertificate.In(server.ClientCertificate).Take(1).Select(c => Element.At("client_certificate_expires", c.NotAfter)),
        Element.Flag("has_private_key", hasKey),
        Element.Number("poll_interval", server.PollSeconds),
        Element.Number("timeout", server.TimeoutSeconds),
    ];

    private static IEnumerable<Element?> Endpoint(ServerEndpoint endpoint) =>
    [
        Element.Leaf("address", endpoint.Address),
        endpoint.RegistrarAddress.Length > 0 ? Element.Leaf("registrar_address", endpoint.RegistrarAddress) : null,
        Element.Leaf("authority", endpoint.Authority),
        Element.Flag("check_name", endpoint.ChecksName),
    ];

    private static Element Health(ServiceRow row)
    {
        var standing = row.Standing;
        return Element.Of(
            "health",
            Element.Leaf("status", row switch
            {
                { Standing.IsDown: true } => "down",
                { Standing.FailingSince: not null } => "failing",
                { Standing.LastAnswerAt: null } => "unknown",
                _ => "up",
            }),
            At("last_answer", standing.LastAnswerAt),
            At("last_evidence", standing.LastEvidenceAt),
            At("failing_since", standing.FailingSince),
            standing.Fault.Length > 0 ? Element.Leaf("reason", standing.Fault) : null,
            standing.Remedy.Length > 0 ? Element.Leaf("remedy", standing.Remedy) : null,
            standing.Lag is { } lag ? Seconds("lag", lag) : null,
            row.IsBuiltIn ? null : Element.Leaf("error_rate", standing.ErrorRate.ToString("0.00", CultureInfo.InvariantCulture)),
            standing.ClockSkew is { } skew ? Seconds("clock_skew", skew) : null,
            At("next_poll", row.Clusters.Count > 0 ? standing.NextAt : null));
    }

    private static Element Cluster(ApiCall call, NamingCluster cluster) => Element.Of(
        "cluster",
        Element.Leaf("name", cluster.Name),
        Element.Leaf("keeper", Word(cluster.Keeper)),
        Element.Number("hosts", cluster.Hosts),
        Element.Number("bound_hosts", cluster.Bound),
        cluster is { Keeper: PolicyKeeper.Portal, Publication: { } publication } ? Publication(call, publication) : null)
        .With([KeyValuePair.Create("href", call.Href(ClustersResource.Name, cluster.Id)), KeyValuePair.Create("id", cluster.Id.ToString())]);

    private static Element Publication(ApiCall call, Publication publication) => Element.Of(
        "publication",
        Element.Leaf("status", publication.State.ToString().ToLowerInvariant()),
        publication.Sentence.Length > 0 ? Element.Leaf("reason", publication.Sentence) : null,
        publication.Remedy.Length > 0 ? Element.Leaf("remedy", publication.Remedy) : null,
        At("checked", publication.CheckedAt),
        publication.OperationId is { } job ? Element.Link("job", call.Href(JobsResource.Name, job), job.ToString()) : null);

    private static Element Change(ServerProposal waiting, AttestationServer server) => Element.Of(
        "waiting_change",
        [
            .. Endpoint(waiting.Endpoint),
            Element.Leaf("proposed_by", waiting.PersonName),
            Element.At("proposed_at", waiting.At),
            Element.Flag("is_void", waiting.AgainstVersion != server.Version),
        ])
        .With([KeyValuePair.Create("id", waiting.Id.ToString())]);

    private static Element? At(string name, DateTimeOffset? at) => at is { } moment ? Element.At(name, moment) : null;

    private static Element Seconds(string name, TimeSpan time) => Element.Leaf(name, time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture));
}
