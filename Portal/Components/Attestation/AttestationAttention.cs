using Portal.Components.Hosts;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.Attestation;

/// <summary>What attestation has to say to "Needs attention": hosts that lost trust, hosts that fell silent, VMs that ran where they must not.</summary>
internal static class AttestationAttention
{
    private const int MostNamed = 5;

    public static Task<IReadOnlyList<AttentionLine>> HostsAsync(IServiceProvider services, Caller caller, CancellationToken ct) =>
        services.GetRequiredService<TrustBoard>().Attention.GetAsync(ct);

    public static async Task<IReadOnlyList<AttentionLine>> HostsAsync(HostDirectory hosts, CancellationToken ct)
    {
        var lines = new List<AttentionLine>();
        foreach (var status in (TrustStatus[])[TrustStatus.Untrusted, TrustStatus.Stale, TrustStatus.Unknown])
        {
            var word = status.ToString().ToLowerInvariant();

            // What becomes of a host in maintenance is somebody's doing and needs nobody else.
            var search = SearchText.Write(new SearchTerm(TrustFacet.FacetName, false, word), new SearchTerm("state", true, "maintenance"));
            var found = await hosts.ListAsync(new HostQuery { Search = search, Take = MostNamed }, ct);
            if (!found.Succeeded)
            {
                continue;
            }

            lines.AddRange(found.Value.Items.Select(row => Line(row, status, word)));
            if (found.Value.Total > MostNamed)
            {
                var more = found.Value.Total - MostNamed;
                lines.Add(new AttentionLine(status.Tone(), $"{more:N0} more {(more == 1 ? "host is" : "hosts are")} {word}", "", null, "Show all", SearchText.Href(search)) { Count = more });
            }
        }

        lines.AddRange(await SilentAsync(hosts, ct));
        return lines;
    }

    /// <summary>Hosts that are trusted still but answer no more: the next to be stale.</summary>
    private static async Task<IReadOnlyList<AttentionLine>> SilentAsync(HostDirectory hosts, CancellationToken ct)
    {
        var search = SearchText.Of((TrustFacet.FacetName, "trusted"), (SilenceFacet.FacetName, SilenceFacet.Silent));
        var found = await hosts.ListAsync(new HostQuery { Search = search, Take = 2 }, ct);
        if (found is not { Succeeded: true, Value: { Total: > 0 } page })
        {
            return [];
        }

        var row = page.Items[0];
        var trust = row.Facet<HostTrust>(TrustFacet.FacetName);
        return page.Total == 1
            ? [new AttentionLine(Tone.Old, $"{row.Host.Name} does not answer", $"{trust?.Reason}; trusted until its evidence is too old", trust?.Row?.FailingSince, "Look why", HostColumns.Href(row.Host.Name, "attestation"))]
            : [new AttentionLine(Tone.Old, $"{page.Total:N0} hosts do not answer", "trusted until their evidence is too old", null, "Show them", SearchText.Href(search)) { Count = page.Total }];
    }

    public static async Task<IReadOnlyList<AttentionLine>> MachinesAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var found = await services.GetRequiredService<VirtualMachineDirectory>().ListAsync(new VirtualMachineQuery { OnlyMarked = true, Take = MostNamed }, ct);
        if (!found.Succeeded)
        {
            return [];
        }

        var lines = found.Value.Items.Select(row => new AttentionLine(
            Tone.Bad,
            $"{row.Vm.Name} requires trust and runs on an untrusted host",
            row.HostName ?? "",
            row.Vm.UntrustedSince,
            "Look at it",
            $"/vms/{row.Vm.Id}")).ToList();
        if (found.Value.Total > MostNamed)
        {
            var more = found.Value.Total - MostNamed;
            lines.Add(new AttentionLine(Tone.Bad, $"{more:N0} more VMs that require trust run on untrusted hosts", "", null, "Show VMs", "/vms?q=trust_level%3Dtrusted") { Count = more });
        }

        return lines;
    }

    private static AttentionLine Line(HostRow row, TrustStatus status, string word)
    {
        var trust = row.Facet<HostTrust>(TrustFacet.FacetName);
        var since = status == TrustStatus.Untrusted ? trust?.Row?.VerdictSince : trust?.Row?.FailingSince ?? trust?.Row?.VerifiedAt;
        var isNotEnrolled = trust?.Row is null || (status == TrustStatus.Unknown && trust.Row.Outcome == CheckOutcome.NotConfigured && trust.Reason.EndsWith("not enrolled", StringComparison.Ordinal));
        return new AttentionLine(status.Tone(), $"{row.Host.Name} is {word}", trust?.Reason ?? "", since, isNotEnrolled ? "Enrol it" : "Look why", HostColumns.Href(row.Host.Name, "attestation"));
    }
}
