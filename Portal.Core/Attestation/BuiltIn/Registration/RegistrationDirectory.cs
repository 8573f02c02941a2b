using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>A registered attester with what is to be said of it now.</summary>
/// <param name="Attester">The row.</param>
/// <param name="Origin">What is known of its TPM.</param>
/// <param name="AcceptedBy">Who accepted it, by name, first first.</param>
/// <param name="HostName">The host it vouches for or would be renewed for; null when none.</param>
public sealed record Registration(RegisteredAttester Attester, EndorsementAppraisal Origin, IReadOnlyList<string> AcceptedBy, string? HostName)
{
    /// <summary>How many people have to accept a TPM nobody vouches for, or a new key of an enrolled host.</summary>
    public const int People = 2;

    /// <summary>What people expect a TPM with this key to be, the newest first; words of theirs, which enrol nothing.</summary>
    public IReadOnlyList<ExpectedHost> Expected { get; init; } = [];

    /// <summary>Whether it needs people to accept it before it can be enrolled.</summary>
    public bool NeedsAcceptance => Attester.Replaces || Origin.Verdict is not (EndorsementVerdict.Valid or EndorsementVerdict.VirtualTpm);

    /// <summary>Whether it can be enrolled now.</summary>
    public bool MayBeEnrolled => Attester.Status == RegistrationStatus.Waiting && (!NeedsAcceptance || AcceptedBy.Count >= People);

    /// <summary>What it waits for, in words; null when it does not wait.</summary>
    public string? WaitsFor => Attester.Status != RegistrationStatus.Waiting ? null
        : MayBeEnrolled ? "to be enrolled"
        : AcceptedBy.Count == 0 ? "two people to accept its endorsement key"
        : "a second person to accept its endorsement key";
}

/// <summary>Reads registrations.</summary>
/// <param name="contexts">The database.</param>
/// <param name="roots">Whom this site believes.</param>
public sealed class RegistrationDirectory(IDbContextFactory<PortalDbContext> contexts, VendorRoots roots)
{
    /// <summary>All registrations: incidents first, then those that wait, then the others; newest first within each.</summary>
    public async Task<IReadOnlyList<Registration>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await ReadAsync(db, db.RegisteredAttesters, ct);
        return [.. rows
            .OrderBy(r => r.Attester.Status switch { RegistrationStatus.Incident => 0, RegistrationStatus.Waiting => 1, RegistrationStatus.Enrolled => 2, RegistrationStatus.Refused => 3 })
            .ThenByDescending(r => r.Attester.FirstSeenAt)];
    }

    /// <summary>One registration; null when there is none.</summary>
    public async Task<Registration?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await FindAsync(db, id, ct);
    }

    /// <summary>The registration that vouches for a host; null when its agent did not register itself.</summary>
    public async Task<Registration?> OfHostAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return (await ReadAsync(db, db.RegisteredAttesters.Where(r => r.HostId == hostId && r.Status == RegistrationStatus.Enrolled), ct)).SingleOrDefault();
    }

    /// <summary>How many wait for people, and how many incidents there are.</summary>
    public async Task<(int Waiting, int Incidents)> CountAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return (
            await db.RegisteredAttesters.CountAsync(r => r.Status == RegistrationStatus.Waiting, ct),
            await db.RegisteredAttesters.CountAsync(r => r.Status == RegistrationStatus.Incident, ct));
    }

    internal async Task<Registration?> FindAsync(PortalDbContext db, Guid id, CancellationToken ct) =>
        (await ReadAsync(db, db.RegisteredAttesters.Where(r => r.Id == id), ct)).SingleOrDefault();

    private async Task<List<Registration>> ReadAsync(PortalDbContext db, IQueryable<RegisteredAttester> query, CancellationToken ct)
    {
        var judge = await roots.JudgeAsync(ct);
        var rows = await query.AsNoTracking().ToListAsync(ct);
        var accepted = await db.AttesterAcceptances.AsNoTracking().Where(a => query.Any(r => r.Id == a.RegistrationId)).OrderBy(a => a.At).ToListAsync(ct);
        var byRow = accepted.ToLookup(a => a.RegistrationId);
        var expected = await EnrolmentTickets.ExpectedAsync(db, ct);
        var hosts = await db.Hosts.Where(h => query.Any(r => r.HostId == h.Id)).Select(h => new { h.Id, h.Name }).ToDictionaryAsync(h => h.Id, h => h.Name, ct);
        return rows.ConvertAll(row => new Registration(
            row,
            judge(row),
            [.. byRow[row.Id].Where(a => a.EndorsementHash == row.EndorsementHash).Select(a => a.PersonName)],
            row.HostId is { } host ? hosts.GetValueOrDefault(host) : null) { Expected = [.. expected[row.EndorsementHash]] });
    }
}
