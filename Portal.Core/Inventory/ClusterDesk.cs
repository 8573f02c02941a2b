using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Inventory;

/// <summary>
/// What every command on clusters shares: permission first, the change and its audit row in one transaction, then the change feed.
/// A command that lost a race looks again and answers by what it finds.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class ClusterDesk(IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    // Each lost race means somebody else succeeded; a step that loses this often is not about a race.
    private const int Attempts = 5;

    /// <summary>Runs one command.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="permission">What it needs.</param>
    /// <param name="subject">What it is about, before anything is read.</param>
    /// <param name="attempt">Checks and changes; saves nothing itself. May run more than once, each time on a fresh context.</param>
    /// <param name="ct">Cancels until the commit, not after it.</param>
    internal async Task<Outcome<T>> RunAsync<T>(Caller caller, Permission permission, AuditTarget subject, Func<ClusterStep, Task<Outcome<T>>> attempt, CancellationToken ct)
    {
        if (!caller.May(permission))
        {
            return await DeniedAsync(caller, permission, subject, ct);
        }

        for (var tries = 1; ; tries++)
        {
            await using var db = await contexts.CreateDbContextAsync(ct);
            var step = new ClusterStep(db, caller, audit, time.GetUtcNow(), subject, ct);
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
                // A concurrency token, a key or a reference stood in the way: look again.
                continue;
            }

            if (!outcome.Succeeded)
            {
                await audit.RefusedAsync(caller.Person, step.Target, outcome.Refusal, ct);
                return outcome;
            }

            step.Changes.ForEach(feed.Publish);
            return outcome;
        }
    }

    private async Task<Refusal> DeniedAsync(Caller caller, Permission permission, AuditTarget subject, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var id = subject.Id;
        var name = subject.Kind == "host"
            ? await db.Hosts.Where(h => h.Id == id).Select(h => h.Name).SingleOrDefaultAsync(ct)
            : await db.Clusters.Where(c => c.Id == id).Select(c => c.Name).SingleOrDefaultAsync(ct);
        return await access.DemandAsync(caller, permission, name is null ? subject : subject with { Name = name }, ct)
            ?? throw new InvalidOperationException("A permission that is not held was granted.");
    }
}

/// <summary>One attempt of one command on its own context: what was found, and what is to be saved and told.</summary>
internal sealed class ClusterStep(PortalDbContext db, Caller caller, AuditLog audit, DateTimeOffset now, AuditTarget target, CancellationToken ct)
{
    private Func<Task<bool>>? conditional;

    public PortalDbContext Db => db;

    public Person Person => caller.Person;

    public DateTimeOffset Now => now;

    public CancellationToken Ct => ct;

    /// <summary>What the audit row is about; named as soon as it is read.</summary>
    public AuditTarget Target { get; private set; } = target;

    /// <summary>What to tell once it is committed.</summary>
    public List<Change> Changes { get; } = [];

    public static AuditTarget Unread(Guid clusterId) => new("cluster", clusterId, clusterId.ToString());

    /// <summary>Reads a cluster to change it.</summary>
    public async Task<Outcome<Cluster>> FindAsync(Guid clusterId)
    {
        if (await db.Clusters.SingleOrDefaultAsync(c => c.Id == clusterId, ct) is not { } cluster)
        {
            return Refusal.NotFound("cluster", clusterId.ToString());
        }

        About(cluster);
        return cluster;
    }

    public void About(Cluster cluster) => About(new AuditTarget("cluster", cluster.Id, cluster.Name));

    public void About(AuditTarget found) => Target = found;

    /// <summary>Adds the audit row that commits with the change.</summary>
    public void Audit(string @event, string sentence, string? detail = null)
    {
        audit.Add(db, Person, @event, Target, sentence, detail: detail);
        Changes.Add(Change.Of(ChangeTopic.Audit));
    }

    /// <summary>Runs in the transaction, after the save; false when the world moved and the command has to look again.</summary>
    public void OnCommit(Func<Task<bool>> update) => conditional = update;

    public async Task CommitAsync()
    {
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        await db.SaveChangesAsync(ct);
        if (conditional is not null && !await conditional())
        {
            throw new DbUpdateConcurrencyException("What the command looked at has changed.");
        }

        await transaction.CommitAsync(ct);
    }
}
