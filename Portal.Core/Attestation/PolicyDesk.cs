using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>What came of a change of trust policy.</summary>
public enum PolicyEffect
{
    /// <summary>The policy was that already.</summary>
    Unchanged,

    /// <summary>It is in force; hosts are being appraised under it.</summary>
    InForce,

    /// <summary>It is looser: it waits for a second person.</summary>
    WaitsForSecondPerson,

    /// <summary>The proposal is gone; nothing changed.</summary>
    Dropped,
}

/// <summary>Where a cluster's policy stands after a command.</summary>
/// <param name="ClusterId">The cluster.</param>
/// <param name="Effect">What came of it.</param>
/// <param name="PolicyRevision">The cluster's policy revision now.</param>
/// <param name="ProposalId">The proposal that waits, if one does.</param>
public sealed record PolicyStanding(Guid ClusterId, PolicyEffect Effect, long PolicyRevision, Guid? ProposalId = null);

/// <summary>What commands on trust policies share beyond <see cref="ClusterDesk"/>: the re-appraisal after the commit.</summary>
/// <param name="desk">What commands on clusters share.</param>
/// <param name="reappraisal">Told after the commit.</param>
/// <param name="log">For operators.</param>
public sealed partial class PolicyDesk(ClusterDesk desk, IReappraisal reappraisal, ILogger<PolicyDesk> log)
{
    /// <summary>Runs one command; <paramref name="raised"/> names the cluster whose policy revision it raised, if it did.</summary>
    internal async Task<Outcome<T>> RunAsync<T>(
        Caller caller,
        Permission permission,
        AuditTarget subject,
        Func<ClusterStep, Task<Outcome<T>>> attempt,
        Func<T, Guid?> raised,
        ReappraisalCause cause,
        CancellationToken ct)
    {
        var outcome = await desk.RunAsync(caller, permission, subject, attempt, ct);
        if (!outcome.Succeeded || raised(outcome.Value) is not { } cluster)
        {
            return outcome;
        }

        try
        {
            // After the commit the change is a fact: neither cancellation nor a fault here may turn it into a failure.
            await reappraisal.RequestAsync([cluster], cause, CancellationToken.None);
        }
        catch (Exception fault)
        {
            NotTaken(log, cause, cluster, fault);
        }

        return outcome;
    }

    [LoggerMessage(421, LogLevel.Error, "The re-appraisal of cluster {Cluster} after {Cause} was not taken; the next round makes it good")]
    private static partial void NotTaken(ILogger log, ReappraisalCause cause, Guid cluster, Exception fault);
}
