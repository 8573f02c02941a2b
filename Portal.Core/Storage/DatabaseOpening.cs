using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace Portal.Core.Storage;

/// <summary>Opens the database at start: refuses one that belongs to another profile, brings the schema up to date, stamps it.</summary>
public static class DatabaseOpening
{
    /// <summary>The name of the stamp that holds the profile.</summary>
    public const string ProfileStamp = "profile";

    /// <summary>Opens the database for a profile. A database keeps the profile that opened it first for ever.</summary>
    /// <param name="database">The database.</param>
    /// <param name="profile">The profile of this process, for example <c>Production</c>.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Null when open; a refusal, with nothing changed, when another profile opened it before.</returns>
    public static async Task<Refusal?> OpenAsync(IDbContextFactory<PortalDbContext> database, string profile, CancellationToken ct)
    {
        await using var db = await database.CreateDbContextAsync(ct);

        // Before the schema is touched: a database that is not ours is left exactly as it was.
        var creator = db.GetService<IRelationalDatabaseCreator>();
        var isThere = await creator.ExistsAsync(ct) && await creator.HasTablesAsync(ct);
        if (isThere && Refuse(await StampAsync(db, ct), profile) is { } refusal)
        {
            return refusal;
        }

        await db.Database.MigrateAsync(ct);
        if (await StampAsync(db, ct) is { } stamp)
        {
            return Refuse(stamp, profile);
        }

        db.Stamps.Add(new DatabaseStamp { Name = ProfileStamp, Value = profile });
        await db.SaveChangesAsync(ct);
        return null;
    }

    private static Task<DatabaseStamp?> StampAsync(PortalDbContext db, CancellationToken ct) =>
        db.Stamps.AsNoTracking().SingleOrDefaultAsync(s => s.Name == ProfileStamp, ct);

    private static Refusal? Refuse(DatabaseStamp? stamp, string profile) =>
        stamp is null || string.Equals(stamp.Value, profile, StringComparison.Ordinal)
            ? null
            : Refusal.Conflict(
                "database.profile",
                $"This database was opened by the {stamp.Value} profile and cannot serve {profile}.",
                "Set ConnectionStrings:Portal to another file; simulated and real hosts never share a database.");
}
