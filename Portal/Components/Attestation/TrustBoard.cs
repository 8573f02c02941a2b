using Portal.Components.Shared;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Attestation;

/// <summary>What pages show of the whole fleet's trust, shared by all that are open.</summary>
public sealed class TrustBoard
{
    /// <summary>A board over the core's queries.</summary>
    public TrustBoard(TrustOverview overview, AttestationDirectory directory, HostDirectory hosts, ServiceDirectory services, TimeProvider time)
    {
        LastVerified = new(time, directory.LastVerifiedAsync);
        Health = new(time, directory.HealthAsync);
        Services = new(time, services.ListAsync);
        Clusters = new(time, overview.ByClusterAsync);
        Drift = new(time, overview.DriftAsync);
        Ages = new(time, overview.AgesAsync);
        Attention = new(time, ct => AttestationAttention.HostsAsync(hosts, ct));
    }

    /// <summary>When evidence was verified last, anywhere.</summary>
    public Recent<DateTimeOffset?> LastVerified { get; }

    /// <summary>Whether attestation itself works.</summary>
    public Recent<IReadOnlyList<ClusterAttestation>> Health { get; }

    /// <summary>Attestation services and how they do.</summary>
    public Recent<IReadOnlyList<ServiceRow>> Services { get; }

    /// <summary>Trust by cluster.</summary>
    public Recent<IReadOnlyList<ClusterTrust>> Clusters { get; }

    /// <summary>Trust of hosts alike.</summary>
    public Recent<IReadOnlyList<DriftCell>> Drift { get; }

    /// <summary>Age of evidence.</summary>
    public Recent<IReadOnlyList<EvidenceAge>> Ages { get; }

    /// <summary>Hosts that need attention.</summary>
    public Recent<IReadOnlyList<AttentionLine>> Attention { get; }
}
