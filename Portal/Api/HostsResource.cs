using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Connecting;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;

namespace Portal.Api;

/// <summary>
/// <c>hosts</c>: list and get, with their trust and what is done about its loss; actions attest, deactivate (to maintenance, their VMs moved away
/// first) and activate, quarantine and release, and for a reaction that is held back continue and dismiss.
/// </summary>
/// <param name="hosts">Reads hosts.</param>
/// <param name="connections">Reads the ways to their hypervisors.</param>
/// <param name="attest">Attests.</param>
/// <param name="state">Sets aside and takes back.</param>
/// <param name="quarantine">Keeps VMs that require trust away.</param>
/// <param name="release">Lets them come again.</param>
/// <param name="letGoOn">Lets held reactions go on.</param>
/// <param name="dismiss">Dismisses them.</param>
/// <param name="operation">Waits.</param>
internal sealed class HostsResource(
    HostDirectory hosts,
    HostConnections connections,
    AttestHost attest,
    ChangeHostState state,
    QuarantineHost quarantine,
    ReleaseHost release,
    LetReactionGoOn letGoOn,
    DismissReaction dismiss,
    VmOperation operation) : IApiResource
{
    public const string Name = "hosts";

    private const string Kind = "host";

    private static readonly string[] Actions = ["attest", "activate", "deactivate", "quarantine", "release", "test", "confirm", "reject"];
    private static readonly string[] ReactionActions = ["continue", "dismiss"];
    private static readonly string[] Sortable = ["name", "cluster", "state", "status", "cpu", "memory", "vms", "firmware", "model", TrustFacet.FacetName, ReactionFacet.FacetName];

    public string? Collection => Name;

    public void Map(ApiRoutes routes)
    {
        routes.Get(Name, ListAsync);
        routes.Get($"{Name}/{{id}}", GetAsync);
        routes.Post($"{Name}/{{id}}/attest", call => ActAsync(call, (c, id, _) => AttestAsync(c, id)));
        routes.Post($"{Name}/{{id}}/deactivate", call => ActAsync(call, DeactivateAsync));
        routes.Post($"{Name}/{{id}}/activate", call => ActAsync(call, (c, id, _) => SetAsync(c, id, state.ActivateAsync)));
        routes.Post($"{Name}/{{id}}/quarantine", call => ActAsync(call, (c, id, _) => SetAsync(c, id, quarantine.ExecuteAsync)));
        routes.Post($"{Name}/{{id}}/release", call => ActAsync(call, (c, id, _) => SetAsync(c, id, release.ExecuteAsync)));
        routes.Post($"{Name}/{{id}}/reaction/continue", call => ActAsync(call, (c, id, _) => SetAsync(c, id, letGoOn.OfHostAsync)));
        routes.Post($"{Name}/{{id}}/reaction/dismiss", call => ActAsync(call, (c, id, _) => SetAsync(c, id, dismiss.OfHostAsync)));
    }

    private async Task<ApiAnswer> ListAsync(ApiCall call)
    {
        var search = ApiSearch.Read(call, Sortable);
        if (!search.Succeeded)
        {
            return ApiAnswer.Refused(search.Refusal);
        }

        var (terms, down) = (search.Value.Terms, search.Value.Descending);
        var sort = search.Value.SortBy switch
        {
            null => "name",
            "status" => "state",
            var other => other,
        };
        var found = await search.Value.GatherAsync(
            (skip, take) => hosts.ListAsync(new HostQuery { Search = terms, SortBy = sort, Descending = down, Skip = skip, Take = take }, call.Ct),
            row => row.Host.Name);
        if (!found.Succeeded)
        {
            return ApiAnswer.Refused(found.Refusal);
        }

        var known = await connections.OfAsync([.. found.Value.Select(row => row.Host).Where(h => h.LibvirtUri is not null).Select(h => h.Id)], call.Ct);
        return ApiAnswer.Ok(Element.List(Name, Kind, found.Value.Select(row => Document(call, row, known.GetValueOrDefault(row.Host.Id)))));
    }

    private async Task<ApiAnswer> GetAsync(ApiCall call) =>
        call.Id is { } id && await hosts.FindAsync(id, call.Ct) is { } row
            ? ApiAnswer.Ok(Document(call, row, await connections.OfAsync(id, call.Ct)))
            : ApiAnswer.Refused(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));

    private static async Task<ApiAnswer> ActAsync(ApiCall call, Func<ApiCall, Guid, bool, Task<ApiAnswer>> act)
    {
        if (await call.DemandAsync(Permission.ManageHosts, Kind) is { } denied)
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

        return call.Id is { } id ? await act(call, id, isAsync) : ActionDocument.Failed(Refusal.NotFound(Kind, FieldReader.Short(call.RouteId)));
    }

    private static async Task<ApiAnswer> SetAsync(ApiCall call, Guid id, Func<Caller, Guid, CancellationToken, Task<Outcome<Done>>> set)
    {
        var done = await set(call.Caller, id, call.Ct);
        return done.Succeeded ? ActionDocument.Complete() : ActionDocument.Failed(done.Refusal);
    }

    /// <summary>Complete when the host is in maintenance. While its VMs move away, and where one cannot, it is pending: the job says why.</summary>
    private async Task<ApiAnswer> DeactivateAsync(ApiCall call, Guid id, bool isAsync)
    {
        var begun = await state.ToMaintenanceAsync(call.Caller, id, call.Ct);
        if (!begun.Succeeded)
        {
            return ActionDocument.Failed(begun.Refusal);
        }

        if (begun.Value is not { } operationId)
        {
            return ActionDocument.Complete();
        }

        var job = Element.Link("job", call.Href(JobsResource.Name, operationId), operationId.ToString());
        if (isAsync)
        {
            return ActionDocument.Pending(job);
        }

        var end = await operation.WaitAsync(operationId, call.Ct);
        return end switch
        {
            { Refusal: { } why } => ActionDocument.Failed(why),
            { IsGoing: true } => ActionDocument.Pending(job),
            _ => ActionDocument.Complete(),
        };
    }

    /// <summary>Complete when the host was appraised, whatever the verdict: that is in the host the action carries.</summary>
    private async Task<ApiAnswer> AttestAsync(ApiCall call, Guid id)
    {
        var attested = await attest.ExecuteAsync(call.Caller, id, call.Ct);
        if (!attested.Succeeded)
        {
            return ActionDocument.Failed(attested.Refusal);
        }

        if (WhyNotAppraised(attested.Value.Outcome) is { } refusal)
        {
            return ActionDocument.Failed(refusal);
        }

        return await hosts.FindAsync(id, call.Ct) is { } row
            ? ActionDocument.Complete(Document(call, row, await connections.OfAsync(id, call.Ct)))
            : ActionDocument.Failed(Refusal.NotFound(Kind, id.ToString()));
    }

    private static Refusal? WhyNotAppraised(CheckOutcome outcome) => outcome switch
    {
        CheckOutcome.Ok or CheckOutcome.ProtocolError => null,
        CheckOutcome.NotConfigured => Refusal.Conflict("attest.not_enrolled", "No attester is enrolled for the host.", "Enrol its attester first."),
        CheckOutcome.AgentUnreachable => Silent("attest.agent_silent", "The host's agent does not answer.", "Check that the host is up and its agent runs."),
        CheckOutcome.ServiceUnreachable => Silent("attest.service_silent", "The attestation service does not answer.", "Check the attestation service."),
        CheckOutcome.TpmError => Silent("attest.tpm_error", "The host's TPM reports an error.", "See the host's Attestation tab."),
        CheckOutcome.Queued => Silent("attest.queued", "The attestation waits for its turn.", "Look at the host again in a moment."),
    };

    private static Refusal Silent(string code, string sentence, string remedy) => new(code, RefusalKind.Unavailable, sentence, remedy);

    /// <summary>A host as clients know it.</summary>
    internal static Element Document(ApiCall call, HostRow row, HostConnection? connection)
    {
        var (host, href) = (row.Host, call.Href(Name, row.Host.Id));
        return Element.Of(
            Kind,
            [
            Element.List("actions", "link", Actions.Select(a => Element.Link("link", $"{href}/{a}", rel: a))),
            Element.Leaf("name", host.Name),
            Element.Leaf("address", host.Address),
            Element.Leaf("status", Word(host.State)),
            host.StateReason.Length > 0 ? Element.Leaf("status_detail", host.StateReason) : null,
            .. HostFields.Shown(host, connection ?? HostConnection.None),
            TrustWords.Document(row.Facet<HostTrust>(TrustFacet.FacetName) ?? HostTrust.Unasked),
            Element.Flag("quarantined", host.QuarantinedSince is not null),
            host.QuarantinedSince is { } since ? Element.At("quarantined_since", since) : null,
            row.Facet<HostReaction>(ReactionFacet.FacetName) is { } reaction ? Reaction(call, href, reaction) : null,
            Element.Number("memory", host.Memory),
            Element.Number("max_scheduling_memory", host.MemoryFree),
            Element.Of("cpu", Element.Leaf("name", host.Hardware.CpuModel), VmDocument.Topology(host.Cpus)),
            Element.Of("summary", Element.Number("total", row.Vms)),
            Hardware(host.Hardware),
            .. HostFields.Shown(host.Hardware),
            host.PhysicalMemory > 0 ? Element.Number("physical_memory", host.PhysicalMemory) : null,
            Element.Link("attester", $"{href}/attester"),
            Element.Link("unmanaged_vms", $"{href}/unmanagedvms"),
            Element.Link("cluster", call.Href(ClustersResource.Name, host.ClusterId), host.ClusterId.ToString()),
            ])
            .With([KeyValuePair.Create("href", href), KeyValuePair.Create("id", host.Id.ToString())]);
    }

    private static Element Reaction(ApiCall call, string href, HostReaction reaction) => Element.Of(
        "reaction",
        reaction.State == ReactionState.Held ? Element.List("actions", "link", ReactionActions.Select(a => Element.Link("link", $"{href}/reaction/{a}", rel: a))) : null,
        Element.Leaf("status", ReactionFacet.ValueOf(reaction.State)),
        Element.At("fell_at", reaction.FellAt),
        Element.At("since", reaction.Since),
        Element.Leaf("reason", reaction.Sentence),
        reaction.OperationId is { } id ? Element.Link("job", call.Href(JobsResource.Name, id), id.ToString()) : null);

    private static string Word(HostState state) => state switch
    {
        HostState.Up => "up",
        HostState.Maintenance => "maintenance",
        HostState.NonResponsive => "non_responsive",
        HostState.PreparingForMaintenance => "preparing_for_maintenance",
    };

    private static Element Hardware(HostHardware hardware) => Element.Of(
        "hardware_information",
        Element.Leaf("family", hardware.Family),
        Element.Leaf("manufacturer", hardware.Manufacturer),
        Element.Leaf("product_name", hardware.ProductName),
        Element.Leaf("serial_number", hardware.SerialNumber),
        Element.Leaf("uuid", hardware.Uuid),
        Element.Leaf("version", hardware.Version));
}
