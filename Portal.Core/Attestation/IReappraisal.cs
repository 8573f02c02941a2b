namespace Portal.Core.Attestation;

/// <summary>Why hosts have to be appraised again although they sent nothing new.</summary>
public enum ReappraisalCause
{
    /// <summary>A baseline was approved.</summary>
    BaselineApproved,

    /// <summary>A baseline was retired.</summary>
    BaselineRetired,

    /// <summary>The trust policy of a cluster changed.</summary>
    PolicyChanged,

    /// <summary>A host moved to another cluster.</summary>
    HostMoved,
}

/// <summary>
/// The port through which a change of policy asks for stored evidence to be appraised again.
/// Called after the commit. A call lost to a crash is made good by the next round: every appraisal carries the policy revision it was made
/// under, and one under another revision does not count.
/// </summary>
public interface IReappraisal
{
    /// <summary>Asks for every host of the clusters to be appraised again under the policy now in force. Returns once the request is taken, not when it is done.</summary>
    /// <param name="clusterIds">The clusters whose policy revision was raised.</param>
    /// <param name="cause">Why.</param>
    /// <param name="ct">Cancels the request, not work already begun.</param>
    Task RequestAsync(IReadOnlyList<Guid> clusterIds, ReappraisalCause cause, CancellationToken ct);
}
