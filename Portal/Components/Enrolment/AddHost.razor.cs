using Microsoft.AspNetCore.Components;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Inventory;

namespace Portal.Components.Enrolment;

/// <summary>Prepares a machine to register, over SSH or by hand with a ticket, or connects the libvirt of one. What is under way is in the address, so that it is found again.</summary>
public sealed partial class AddHost(ClusterDirectory directory, RegistrarFace face, NavigationManager navigation)
{
    private IReadOnlyList<ClusterRow>? clusters;
    private string name = "";
    private Guid cluster;
    private Way how;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The preparation that is shown.</summary>
    [SupplyParameterFromQuery(Name = "operation")]
    public Guid? Operation { get; set; }

    private RegistrarFace Face => face;

    private enum Way
    {
        Ssh,
        Hand,
        Libvirt,
    }

    protected override async Task OnInitializedAsync()
    {
        clusters = await directory.ListAsync(CancellationToken.None);
        cluster = clusters.Count > 0 ? clusters[0].Cluster.Id : Guid.Empty;
    }

    private void StartedAsync(Guid operation) => navigation.NavigateTo(navigation.GetUriWithQueryParameter("operation", operation), replace: true);
}
