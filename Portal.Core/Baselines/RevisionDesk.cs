using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>
/// What every command on baselines shares: permission first, one transaction for the change, its audit row and the policy revisions it
/// raises, then the change feed and the re-appraisal. A command that lost a race looks again and answers by what it finds.
/// </summary>
public sealed partial class RevisionDesk(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    IChangeFeed feed,
    IReappraisal reappraisal,
    TimeProvider time,
    ILogger<RevisionDesk> log)
{
    // Each lost race means somebody else succeeded; a step that loses this often is not about a race.
    private const int Attempts = 5;

    /// <summary>Runs one command.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="permission">What it needs.</param>
    /// <param name="subject">What it is about, for the audit.</param>
    /// <param name="attempt">Checks and changes; saves nothing itself. May run more than once, each time on a fresh context.</param>
    /// <param name="ct">Cancels until the commit, not after it.</param>
    /// <param name="keyed">What it means when the database keeps refusing a row although the look says nothing is in its way; null throws.</param>
    internal async Task<Outcome<T>> RunAsync<T>(
        Caller caller,
        Permission permission,
        DeskSubject subject,
        Func<DeskStep, Task<Outcome<T>>> attempt,
        CancellationToken ct,
        Func<DbUpdateException, DeskStep, Refusal?>? keyed = null)
    {
        if (!caller.May(permission))
        {
            await using var db = await contexts.CreateDbContextAsync(ct);
            var denied = await access.DemandAsync(caller, permission, await subject.NameAsync(db, ct), ct);
            return denied ?? throw new InvalidOperationException("A permission that is not held was granted.");
        }

        for (var tries = 1; ; tries++)
        {
            await using var db = await contexts.CreateDbContextAsync(ct);
            var step = new DeskStep(db, caller, audit, time.GetUtcNow(), subject.Unnamed, ct);
            Outcome<T> outcome;
            try
            {
                outcome = await attempt(step);
                if (outcome.Succeeded)
                {
                    await step.CommitAsync();
                }
            }
            catch (DbUpdateException) when (tries < Attempts)
            {
                // A concurrency token or a key (a name, the open revision, the one row per person) stood in the way: look again.
                continue;
            }
            catch (DbUpdateException fault) when (keyed?.Invoke(fault, step) is { } refusal)
            {
                outcome = refusal;
            }

            if (outcome.Succeeded)
            {
                await TellAsync(step);
            }
            else
            {
                await audit.RefusedAsync(caller.Person, step.Target, outcome.Refusal, ct);
            }

            return outcome;
        }
    }

    // After the commit the change is a fact: neither cancellation nor a listener's fault may turn it into a failure.
    private async Task TellAsync(DeskStep step)
    {
        if (step.Target.Id is { } baseline)
        {
            feed.Publish(Change.Of(ChangeTopic.Baseline, baseline));
        }

        feed.Publish(Change.Of(ChangeTopic.Audit));
        foreach (var (cause, clusters) in step.Raised)
        {
            feed.Publish(Change.Of(ChangeTopic.Cluster, clusters));
            try
            {
                await reappraisal.RequestAsync(clusters, cause, CancellationToken.None);
            }
            catch (Exception fault)
            {
                ReappraisalNotTaken(log, cause, clusters.Count, fault);
            }
        }
    }

    [LoggerMessage(211, LogLevel.Error, "The re-appraisal of {Clusters} clusters after {Cause} was not taken; the next round makes it good")]
    private static partial void ReappraisalNotTaken(ILogger log, ReappraisalCause cause, int clusters, Exception fault);
}

/// <summary>What a command is about, before anything was read.</summary>
internal readonly record struct DeskSubject(Guid? BaselineId, Guid? RevisionId, string Name)
{
    private const int LongestName = 80;

    public static DeskSubject Baseline(Guid id) => new(id, null, id.ToString());

    public static DeskSubject Revision(Guid id) => new(null, id, id.ToString());

    public static DeskSubject New(string? name) => new(null, null, Printable(name ?? ""));

    public AuditTarget Unnamed => new("baseline", BaselineId, Name);

    /// <summary>The target with its name, read only to write the audit.</summary>
    public async Task<AuditTarget> NameAsync(PortalDbContext db, CancellationToken ct)
    {
        var (baselineId, revisionId) = (BaselineId, RevisionId);
        var found = await db.Baselines
            .Where(b => b.Id == baselineId || db.BaselineRevisions.Any(r => r.Id == revisionId && r.BaselineId == b.Id))
            .Select(b => new { b.Id, b.Name })
            .FirstOrDefaultAsync(ct);
        return found is null ? Unnamed : new AuditTarget("baseline", found.Id, found.Name);
    }

    // The name was not validated yet, and the audit is read by people.
    private static string Printable(string name) =>
        string.Concat(name.Trim().Take(LongestName).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
