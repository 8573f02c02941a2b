using Microsoft.AspNetCore.Components;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Attestation;

/// <summary>The trust level of a VM as radio cards, each with what it means in the chosen cluster.</summary>
public sealed partial class TrustLevelField(ClusterDirectory clusters)
{
    /// <summary>As refusals and the REST API name it.</summary>
    public const string FieldId = "trust_level";

    private Cluster? cluster;

    [Parameter, EditorRequired]
    public required VmDraft Draft { get; set; }

    [Parameter]
    public EventCallback Changed { get; set; }

    protected override async Task OnParametersSetAsync()
    {
        if (Draft.ClusterId is { } id && cluster?.Id != id)
        {
            cluster = (await clusters.FindAsync(id, CancellationToken.None))?.Cluster;
            await AllowAsync();
        }
    }

    /// <summary>A new VM cannot keep a level its cluster does not allow; the first that is allowed takes its place.</summary>
    private async Task AllowAsync()
    {
        if (cluster is not null && !cluster.Allows(Draft.TrustLevel) && Draft.Name.Length == 0 && Enum.GetValues<TrustLevel>().Any(cluster.Allows))
        {
            Draft.TrustLevel = Enum.GetValues<TrustLevel>().First(cluster.Allows);
            await Changed.InvokeAsync();
        }
    }

    private string Meaning(TrustLevel level) => (level, cluster?.Policy.MaxAgeAtStart) switch
    {
        (TrustLevel.Any, _) => "wherever there is room; what its host booted does not matter",
        (TrustLevel.Trusted, null) => "its host is attested; marked at once if it loses trust",
        (TrustLevel.Trusted, { Ticks: 0 }) => "its host is attested anew at every start; marked at once if it loses trust",
        (TrustLevel.Trusted, { } age) => $"its host is attested within {PolicyWords.Duration(age)} of the start; marked at once if it loses trust",
    };

    private Task ChooseAsync(TrustLevel level)
    {
        Draft.TrustLevel = level;
        Draft.Refusal = null;
        return Changed.InvokeAsync();
    }
}
