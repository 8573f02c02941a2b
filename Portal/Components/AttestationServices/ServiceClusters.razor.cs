using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;

namespace Portal.Components.AttestationServices;

/// <summary>Clusters that name a service; publishes again what is approved there.</summary>
public sealed partial class ServiceClusters(PublishNow publish, NavigationManager navigation, Announcer announcer)
{
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    private bool May => Caller.May(Permission.ManageClusters);

    private async Task PublishAsync(NamingCluster cluster)
    {
        busy = true;
        var begun = await publish.ExecuteAsync(Caller, cluster.Id, Row.Id, CancellationToken.None);
        (busy, refusal) = (false, begun.Refusal);
        if (begun.Succeeded)
        {
            announcer.Say($"What is approved in {cluster.Name} is being published to {Row.Name}.");
            navigation.NavigateTo(ServiceLook.OperationHref(Row.Id, begun.Value), replace: true);
        }
    }
}
