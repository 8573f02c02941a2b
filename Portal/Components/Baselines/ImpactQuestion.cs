using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Components.Baselines;

/// <summary>What is to be previewed.</summary>
public abstract record ImpactQuestion
{
    private ImpactQuestion()
    {
    }

    /// <summary>What to say where no cluster is concerned.</summary>
    public virtual string Nothing => "It changes the approved set of no cluster, so no host is touched.";

    public abstract Task<Outcome<Impact>> AskAsync(ImpactPreview preview, Caller caller, CancellationToken ct);

    /// <summary>Approving a revision that says what was shown.</summary>
    public sealed record Approve(Guid RevisionId, string ContentHash, bool RetireEarlier) : ImpactQuestion
    {
        public override Task<Outcome<Impact>> AskAsync(ImpactPreview preview, Caller caller, CancellationToken ct) => preview.IfApprovedAsync(caller, RevisionId, RetireEarlier, ct);
    }

    /// <summary>Retiring a revision.</summary>
    public sealed record Retire(Guid RevisionId) : ImpactQuestion
    {
        public override Task<Outcome<Impact>> AskAsync(ImpactPreview preview, Caller caller, CancellationToken ct) => preview.IfRetiredAsync(caller, RevisionId, ct);
    }

    /// <summary>Another trust policy in force in a cluster.</summary>
    public sealed record Policy(Guid ClusterId, TrustPolicy Wanted) : ImpactQuestion
    {
        public override string Nothing => "This is the policy in force, so no host is touched.";

        public override Task<Outcome<Impact>> AskAsync(ImpactPreview preview, Caller caller, CancellationToken ct) => preview.IfPolicyAsync(caller, ClusterId, Wanted, ct);
    }
}
