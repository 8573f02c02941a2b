using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>One attempt of one command on its own context: what was found, what is to be saved, which clusters it concerns.</summary>
internal sealed class DeskStep(PortalDbContext db, Caller caller, AuditLog audit, DateTimeOffset now, AuditTarget target, CancellationToken ct)
{
    private readonly List<(ReappraisalCause Cause, BaselineContent Content)> raising = [];

    public PortalDbContext Db => db;

    public Person Person => caller.Person;

    public DateTimeOffset Now => now;

    public CancellationToken Ct => ct;

    /// <summary>What the audit row is about; named as soon as the baseline is read.</summary>
    public AuditTarget Target { get; private set; } = target;

    /// <summary>Clusters whose policy revision was raised, by why: one where nothing was approved must not be told that something was.</summary>
    public IReadOnlyList<(ReappraisalCause Cause, IReadOnlyList<Guid> Clusters)> Raised { get; private set; } = [];

    /// <summary>Reads a revision with its baseline and the people on it.</summary>
    public async Task<Outcome<RevisionOnDesk>> FindRevisionAsync(Guid revisionId)
    {
        var revision = await db.BaselineRevisions.FirstOrDefaultAsync(r => r.Id == revisionId, ct);
        if (revision is null)
        {
            return Refusal.NotFound("revision", revisionId.ToString());
        }

        var baseline = await db.Baselines.FirstAsync(b => b.Id == revision.BaselineId, ct);
        var people = await db.RevisionPersons.Where(p => p.RevisionId == revisionId).ToListAsync(ct);
        About(baseline);
        return new RevisionOnDesk(baseline, revision, people);
    }

    /// <summary>Reads a baseline.</summary>
    public async Task<Outcome<Baseline>> FindBaselineAsync(Guid baselineId)
    {
        var baseline = await db.Baselines.FirstOrDefaultAsync(b => b.Id == baselineId, ct);
        if (baseline is null)
        {
            return Refusal.NotFound("baseline", baselineId.ToString());
        }

        About(baseline);
        return baseline;
    }

    public void About(Baseline baseline) => Target = new AuditTarget("baseline", baseline.Id, baseline.Name);

    /// <summary>The first cluster the content names that does not exist, as a refusal; otherwise null.</summary>
    public async Task<Refusal?> MissingClusterAsync(BaselineContent content)
    {
        var named = content.Clusters.ToList();
        if (named.Count == 0)
        {
            return null;
        }

        var known = await db.Clusters.Where(c => named.Contains(c.Id)).Select(c => c.Id).ToListAsync(ct);
        var missing = named.Except(known).ToList();
        return missing.Count == 0
            ? null
            : Refusal.Invalid(
                "baseline.clusters.unknown",
                "content.clusters",
                $"There is no cluster '{missing[0]}'.",
                "Choose clusters that exist, or none for all of them.");
    }

    /// <summary>Adds a revision written by the caller.</summary>
    public BaselineRevision AddRevision(Guid baselineId, int number, BaselineContent content)
    {
        var text = content.ToCanonicalJson();
        var revision = new BaselineRevision
        {
            BaselineId = baselineId,
            Number = number,
            Content = text,
            ContentHash = BaselineContent.HashOf(text),
            Version = 1,
            CreatedAt = now,
        };
        db.BaselineRevisions.Add(revision);
        db.RevisionPersons.Add(Row(revision.Id, RevisionPart.Author, null));
        return revision;
    }

    public RevisionPerson Row(Guid revisionId, RevisionPart part, string? contentHash) => new()
    {
        RevisionId = revisionId,
        Issuer = Person.Issuer,
        Subject = Person.Subject,
        PersonName = Person.Name,
        Part = part,
        ContentHash = contentHash,
        At = now,
    };

    /// <summary>Adds the audit row that commits with the change.</summary>
    public void Audit(string @event, string sentence, BaselineRevision? revision = null)
    {
        var detail = revision is null ? null : JsonSerializer.Serialize(new { revision = revision.Number, contentHash = revision.ContentHash });
        audit.Add(db, Person, @event, Target, sentence, detail: detail);
    }

    /// <summary>Has the policy revision raised of every cluster the content applies to.</summary>
    public void Raise(ReappraisalCause cause, BaselineContent content) => raising.Add((cause, content));

    /// <summary>Saves everything in one transaction.</summary>
    public async Task CommitAsync()
    {
        if (!db.ChangeTracker.HasChanges())
        {
            return;
        }

        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        await db.SaveChangesAsync(ct);
        await RaiseAsync();
        await transaction.CommitAsync(ct);
    }

    private async Task RaiseAsync()
    {
        if (raising.Count == 0)
        {
            return;
        }

        var everywhere = raising.Exists(r => r.Content.Clusters.IsDefaultOrEmpty);
        var named = everywhere ? [] : raising.SelectMany(r => r.Content.Clusters).Distinct().ToList();
        var concerned = db.Clusters.Where(c => everywhere || named.Contains(c.Id));
        await concerned.ExecuteUpdateAsync(set => set.SetProperty(c => c.PolicyRevision, c => c.PolicyRevision + 1), ct);
        Raised = [.. (await concerned.Select(c => c.Id).ToListAsync(ct)).GroupBy(CauseIn).Select(g => (g.Key, (IReadOnlyList<Guid>)[.. g]))];
    }

    /// <summary>Where a revision came into force it counts, whatever was retired with it.</summary>
    private ReappraisalCause CauseIn(Guid cluster)
    {
        var causes = raising.Where(r => r.Content.AppliesTo(cluster)).Select(r => r.Cause).ToList();
        return causes.Contains(ReappraisalCause.BaselineApproved) ? ReappraisalCause.BaselineApproved : causes[0];
    }
}

/// <summary>A revision as a command reads it.</summary>
internal sealed record RevisionOnDesk(Baseline Baseline, BaselineRevision Revision, List<RevisionPerson> People)
{
    public string Title => RevisionStanding.TitleOf(Baseline.Name, Revision.Number);

    /// <summary>The caller's row, if there is one.</summary>
    public RevisionPerson? RowOf(Person person) => People.Find(p =>
        string.Equals(p.Issuer, person.Issuer, StringComparison.Ordinal) && string.Equals(p.Subject, person.Subject, StringComparison.Ordinal));

    public RevisionStanding Standing => RevisionStanding.Of(Revision);
}

/// <summary>Where a revision stands after a command.</summary>
/// <param name="BaselineId">The baseline.</param>
/// <param name="RevisionId">The revision.</param>
/// <param name="Number">Its number within the baseline.</param>
/// <param name="State">Its state now.</param>
/// <param name="Version">What the next edit has to name.</param>
/// <param name="ContentHash">What an approver approves.</param>
public sealed record RevisionStanding(Guid BaselineId, Guid RevisionId, int Number, RevisionState State, int Version, string ContentHash)
{
    /// <summary>The standing of a revision.</summary>
    public static RevisionStanding Of(BaselineRevision revision) =>
        new(revision.BaselineId, revision.Id, revision.Number, revision.State, revision.Version, revision.ContentHash);

    /// <summary>A revision's name as people, findings and receipts write it: <c>rhel9-2026-10 rev. 3</c>.</summary>
    public static string TitleOf(string baseline, int number) => $"{baseline} rev. {number}";
}
