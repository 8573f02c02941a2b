using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>Reads revisions with the people on them and the hosts that match, without their content.</summary>
internal static class RevisionRows
{
    public static async Task<List<RevisionRow>> ReadAsync(PortalDbContext db, IQueryable<BaselineRevision> which, CancellationToken ct)
    {
        var heads = await which
            .OrderByDescending(r => r.Number)
            .Select(r => new
            {
                r.Id,
                r.Number,
                r.State,
                r.Version,
                r.ContentHash,
                r.CreatedAt,
                r.SubmittedAt,
                r.ApprovedAt,
                r.RetiredAt,
                r.ReviewComment,
                Matching = db.BaselineMatches.Count(m => m.RevisionId == r.Id),
            })
            .ToListAsync(ct);
        var ids = heads.ConvertAll(r => r.Id);
        var people = (await db.RevisionPersons.AsNoTracking().Where(p => ids.Contains(p.RevisionId)).ToListAsync(ct)).ToLookup(p => p.RevisionId);
        return heads.ConvertAll(r => new RevisionRow(
            r.Id,
            r.Number,
            r.State,
            r.Version,
            r.ContentHash,
            r.CreatedAt,
            r.SubmittedAt,
            r.ApprovedAt,
            r.RetiredAt,
            r.ReviewComment,
            Only(people[r.Id], RevisionPart.Author),
            Only(people[r.Id], RevisionPart.Approver),
            r.Matching));
    }

    private static List<RevisionParticipant> Only(IEnumerable<RevisionPerson> people, RevisionPart part) =>
    [
        .. people.Where(p => p.Part == part)
            .OrderBy(p => p.At)
            .ThenBy(p => p.PersonName, StringComparer.Ordinal)
            .Select(p => new RevisionParticipant(new Person(p.Issuer, p.Subject, p.PersonName), p.At)),
    ];
}
