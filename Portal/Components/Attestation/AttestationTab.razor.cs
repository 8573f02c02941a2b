using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Attestation;

/// <summary>What a host measured, beside what is approved, and what follows from it.</summary>
public sealed partial class AttestationTab(AttestationDirectory directory, HostExplanations explanations, ClusterDirectory clusters, ServiceDirectory services, IEnumerable<HostIdentityPart> identityParts)
{
    private const int MostHistory = 200;

    private HostAttestationView? view;
    private HostExplanation? explanation;
    private IReadOnlyList<AttestationTransition> history = [];
    private IReadOnlyList<ServiceWord> words = [];
    private AttestationTransition? before;
    private TrustPolicy? policy;
    private Refusal? refusal;
    private DateTimeOffset from;
    private DateTimeOffset to;

    [Parameter]
    [EditorRequired]
    public required HostRow Row { get; set; }

    /// <summary>A host to compare with, in the address.</summary>
    [SupplyParameterFromQuery(Name = "with")]
    public string? With { get; set; }

    /// <summary>Whether the verifier of our own is asked about it; other services keep the evidence to themselves.</summary>
    private bool IsOurs => policy?.Services.HasBuiltIn != false;

    private IEnumerable<HostIdentityPart> IdentityParts => identityParts.OrderBy(p => p.Order);

    protected override Task OnInitializedAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => change.Topic switch
    {
        ChangeTopic.Attestation => change.Touches(Row.Host.Id),
        ChangeTopic.Baseline or ChangeTopic.Cluster or ChangeTopic.Service => true,
        _ => false,
    };

    protected override async Task RefreshAsync()
    {
        to = Time.GetUtcNow();
        from = to.AddHours(-24);
        view = await directory.FindAsync(Row.Host.Id, Stopping);
        history = await directory.HistoryAsync(Row.Host.Id, from, MostHistory, Stopping);
        before = await directory.BeforeAsync(Row.Host.Id, from, Stopping);
        policy = (await clusters.FindAsync(Row.Host.ClusterId, Stopping))?.Cluster.Policy;

        // Evidence of another time, when another service was asked, explains no verdict of now.
        explanation = IsOurs ? await explanations.OfAsync(Row.Host.Id, Stopping) : null;
        words = policy?.Services.Equals(ServiceSet.BuiltIn) == false ? await services.WordsAsync(Row.Host.Id, Stopping) : [];
    }
}
