using Microsoft.AspNetCore.Components;
using Portal.Components.Baselines;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Changes a trust policy, saying all the while whether the change takes effect at once or waits for a second person, and why.</summary>
public sealed partial class PolicyPage(ClusterDirectory directory, ServiceDirectory serviceDirectory, ChangeTrustPolicy change, NavigationManager navigation, Announcer announcer)
{
    private static readonly (BaselineKinds Kind, string Words)[] Kinds =
    [
        (BaselineKinds.Firmware, "what the platform is: BIOS, option ROMs, Secure Boot keys"),
        (BaselineKinds.Hypervisor, "what it runs: boot loader, kernel, hypervisor"),
        (BaselineKinds.Runtime, "what it uses while it runs: programs, libraries, modules, as its kernel's IMA measures them"),
    ];

    private static readonly string[] Fields = ["requiredKinds", "lifetime", "maxAgeAtStart", "interval", "forgetAfter", "services"];
    private static readonly string Roles = string.Join(" or ", Permissions.Granting(Permission.ManageClusters).Select(r => r.ToString().ToLowerInvariant()));

    private ClusterRow? row;
    private TrustPolicy wanted = TrustPolicy.Default;
    private IReadOnlyList<PolicyDifference> differences = [];
    private IReadOnlyList<ServiceRow> services = [];
    private ImpactQuestion.Policy? preview;
    private Refusal? invalid;
    private Refusal? refusal;
    private bool looked;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The cluster's name, or its identifier.</summary>
    [Parameter]
    public required string Key { get; set; }

    private bool Loosens => differences.Any(d => d.IsLooser);

    private bool AsksOthers => invalid is null && !wanted.Services.Equals(row!.Cluster.Policy.Services);

    private string Because => string.Join(", and because ", differences.Where(d => d.IsLooser).Select(d => d.Field switch
    {
        "requiredKinds" => $"a host would have to match only {d.After} instead of {d.Before}",
        "services" => $"a host would be trusted by the word of {d.After} instead of {d.Before}",
        "lifetime" => $"a verdict would count for {d.After} instead of {d.Before}",
        _ => $"a start would take evidence {d.After} old instead of {d.Before}",
    }));

    private IReadOnlyDictionary<Guid, string> ServerNames => services.Where(s => !s.IsBuiltIn).ToDictionary(s => s.Id, s => s.Name);

    protected override async Task OnInitializedAsync()
    {
        services = await serviceDirectory.ListAsync(CancellationToken.None);
        await ReadAsync();
        if (row is not null)
        {
            Want(row.Cluster.Policy);
        }
    }

    private async Task ReadAsync()
    {
        row = await directory.FindByNameAsync(Key, CancellationToken.None) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, CancellationToken.None) : null);
        looked = true;
    }

    private void Want(TrustPolicy policy)
    {
        wanted = policy;
        differences = PolicyWords.Differences(row!.Cluster.Policy, wanted, ServerNames);
        invalid = TrustPolicyRules.Instance.Refusal(wanted);
        refusal = null;
    }

    private string? ErrorOf(string field) => refusal?.Field == field ? refusal.ToString() : null;

    private async Task SubmitAsync()
    {
        if (busy || differences.Count == 0)
        {
            return;
        }

        (busy, refusal) = (true, null);
        var cluster = row!.Cluster;
        var outcome = await change.ExecuteAsync(Caller, new(cluster.Id, wanted, cluster.PolicyRevision), CancellationToken.None);
        busy = false;
        if (outcome.Succeeded)
        {
            announcer.Say(outcome.Value.Effect is PolicyEffect.WaitsForSecondPerson ? "Proposed; it waits for a second person." : "The policy is in force.");
            navigation.NavigateTo(ClusterLook.Href(cluster.Name));
            return;
        }

        // What changed meanwhile is shown beside what was wanted, which stays as typed.
        var kept = wanted;
        await ReadAsync();
        if (row is not null)
        {
            Want(kept);
        }

        refusal = outcome.Refusal;
    }
}
