using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;

namespace Portal.Identity.Provider;

/// <summary>A demo user who gave the right password.</summary>
internal sealed record SignedInUser(Person Person, IReadOnlyList<Role> Roles);

/// <summary>The answer to a name and a password.</summary>
/// <param name="User">The user; null when refused.</param>
/// <param name="Sentence">Why refused.</param>
internal readonly record struct PasswordAnswer(SignedInUser? User, string Sentence);

/// <summary>The users of the demo, with a lockout after wrong passwords. The same for the sign-in page and for HTTP Basic.</summary>
internal sealed partial class DemoUsers(IDbContextFactory<ProviderDbContext> database, TimeProvider time, ILogger<DemoUsers> log)
{
    /// <summary>The password of every demo user. Demo only; Production knows no password.</summary>
    public const string Password = "demo";

    /// <summary>So many wrong passwords in a row lock a user.</summary>
    public const int MaxFailures = 5;

    private const int MaxLength = 256;
    private const string Wrong = "The name or the password is wrong.";

    /// <summary>How long a locked user stays locked.</summary>
    public static readonly TimeSpan LockLength = TimeSpan.FromMinutes(5);

    /// <summary>Hashing is slow on purpose; a script that sends its password with each request is believed again for this long.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    private static readonly PasswordHasher<DemoUser> Hasher = new();
    private readonly byte[] memoryKey = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentDictionary<string, (byte[] Seen, string Hash, DateTimeOffset Until)> remembered = new(StringComparer.Ordinal);

    /// <summary>The users, in the order the sign-in page lists them.</summary>
    public static IReadOnlyList<(string Name, Role Role, string MayDo)> All { get; } =
    [
        ("admin@internal", Role.Administrator, "runs hosts and clusters"),
        ("operator@internal", Role.Operator, "creates virtual machines"),
        ("security@internal", Role.Security, "writes and approves baselines"),
        ("security2@internal", Role.Security, "the second pair of eyes"),
        ("auditor@internal", Role.Auditor, "reads everything, changes nothing"),
    ];

    /// <summary>A demo user as the person behind a command.</summary>
    public static Person PersonOf(string name) => new(EmbeddedProvider.Issuer, SubjectOf(name), name);

    private static string SubjectOf(string name) => name.Split('@')[0];

    /// <summary>Makes the users that are not there yet.</summary>
    public async Task SeedAsync(CancellationToken ct)
    {
        await using var db = await database.CreateDbContextAsync(ct);
        var known = await db.Users.Select(u => u.Name).ToListAsync(ct);
        foreach (var (name, role, _) in All.Where(u => !known.Contains(u.Name, StringComparer.Ordinal)))
        {
            var user = new DemoUser { Name = name, Subject = SubjectOf(name), PasswordHash = "", Roles = role.ToString() };
            user.PasswordHash = Hasher.HashPassword(user, Password);
            db.Users.Add(user);
        }

        await db.SaveChangesAsync(ct);
    }

    /// <summary>Checks a password; counts a wrong one.</summary>
    public async Task<PasswordAnswer> CheckAsync(string name, string password, CancellationToken ct)
    {
        var key = name.Trim().ToLowerInvariant();
        if (key.Length > MaxLength || password.Length > MaxLength)
        {
            return new(null, Wrong);
        }

        await using var db = await database.CreateDbContextAsync(ct);
        var user = await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Name == key, ct);
        var now = time.GetUtcNow();
        if (user is null)
        {
            return new(null, Wrong);
        }

        if (user.LockedUntil > now.ToUnixTimeSeconds())
        {
            return new(null, $"Too many wrong passwords for {user.Name}. Wait {LockLength.TotalMinutes:0} minutes, then try again.");
        }

        if (Remembers(user, password, now))
        {
            return new(Found(user), "");
        }

        if (Hasher.VerifyHashedPassword(user, user.PasswordHash, password) is PasswordVerificationResult.Failed)
        {
            await CountFailureAsync(db, user, now, ct);
            return new(null, Wrong);
        }

        if (user.Failures > 0)
        {
            await db.Users.Where(u => u.Name == key).ExecuteUpdateAsync(set => set.SetProperty(u => u.Failures, 0), ct);
        }

        remembered[key] = (Fingerprint(password), user.PasswordHash, now + Memory);
        return new(Found(user), "");
    }

    /// <summary>A user by subject, for somebody who is signed in at the provider.</summary>
    public async Task<SignedInUser?> FindAsync(string subject, CancellationToken ct)
    {
        await using var db = await database.CreateDbContextAsync(ct);
        return await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Subject == subject, ct) is { } user ? Found(user) : null;
    }

    private async Task CountFailureAsync(ProviderDbContext db, DemoUser user, DateTimeOffset now, CancellationToken ct)
    {
        remembered.TryRemove(user.Name, out _);

        // One statement each, so that failures at the same time are all counted.
        await db.Users.Where(u => u.Name == user.Name).ExecuteUpdateAsync(set => set.SetProperty(u => u.Failures, u => u.Failures + 1), ct);
        var until = (now + LockLength).ToUnixTimeSeconds();
        var locked = await db.Users.Where(u => u.Name == user.Name && u.Failures >= MaxFailures)
            .ExecuteUpdateAsync(set => set.SetProperty(u => u.Failures, 0).SetProperty(u => u.LockedUntil, until), ct);
        if (locked > 0)
        {
            UserLocked(log, user.Name, LockLength);
        }
    }

    private bool Remembers(DemoUser user, string password, DateTimeOffset now) =>
        remembered.TryGetValue(user.Name, out var memory)
        && memory.Until > now
        && string.Equals(memory.Hash, user.PasswordHash, StringComparison.Ordinal)
        && CryptographicOperations.FixedTimeEquals(memory.Seen, Fingerprint(password));

    private byte[] Fingerprint(string password) => HMACSHA256.HashData(memoryKey, Encoding.UTF8.GetBytes(password));

    private static SignedInUser Found(DemoUser user) => new(
        new Person(EmbeddedProvider.Issuer, user.Subject, user.Name),
        [.. user.Roles.Split(' ').Select(Enum.Parse<Role>)]);

    [LoggerMessage(3001, LogLevel.Warning, "{User} is locked for {Length} after too many wrong passwords")]
    private static partial void UserLocked(ILogger log, string user, TimeSpan length);
}
