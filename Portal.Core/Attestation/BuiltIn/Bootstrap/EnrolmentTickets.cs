using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>Makes, takes and withdraws tickets that say which host is expected.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class EnrolmentTickets(ClusterDesk desk, IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    /// <summary>Most tickets that are open at once.</summary>
    public const int Most = 1_000;

    /// <summary>How long a ticket counts unless told otherwise.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    /// <summary>The longest a ticket may count.</summary>
    public static readonly TimeSpan LongestLifetime = TimeSpan.FromDays(7);

    /// <summary>How long an expectation is remembered after its ticket ended.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromDays(30);

    private const string Kind = "enrolment_ticket";
    private const int Bytes = 32;

    private static readonly Refusal NotTaken = new("ticket.refused", RefusalKind.Forbidden, "This ticket was used, has ended or was never made here.", "Ask an administrator for a new one.");

    /// <summary>
    /// Makes a ticket. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusals: <c>host.name.*</c>, <c>cluster.not_found</c>, <c>host.cluster</c>, <c>ticket.lifetime</c>, <c>ticket.many</c>.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="expected">The host and its cluster.</param>
    /// <param name="lifetime">How long it counts: an hour to <see cref="LongestLifetime"/>.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public Task<Outcome<NewTicket>> CreateAsync(Caller caller, Registration.HostToEnrol expected, TimeSpan lifetime, CancellationToken ct) => desk.RunAsync<NewTicket>(
        caller,
        Permission.ManageHosts,
        new AuditTarget(Kind, null, "enrolment ticket"),
        async step =>
        {
            if (lifetime < TimeSpan.FromHours(1) || lifetime > LongestLifetime)
            {
                return Refusal.Invalid("ticket.lifetime", "hours", $"A ticket counts for 1 to {LongestLifetime.TotalHours:0} hours.", "Choose fewer hours; another ticket is made quickly.");
            }

            var checkedHost = await CheckAsync(step, expected);
            if (!checkedHost.Succeeded)
            {
                return checkedHost.Refusal;
            }

            if (await step.Db.EnrolmentTickets.CountAsync(t => t.UsedAt == null && t.ExpiresAt > step.Now, step.Ct) >= Most)
            {
                return Refusal.Conflict("ticket.many", $"{Most:N0} tickets are open.", "Withdraw some of them.");
            }

            var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));
            var ticket = New(checkedHost.Value, caller.Person, step.Now, step.Now + lifetime, HashOf(secret));
            step.Db.EnrolmentTickets.Add(ticket);
            step.About(TargetOf(ticket));
            step.Audit("ticket.created", $"{caller.Person.Name} made a ticket for {ticket.HostName} in {checkedHost.Value.Cluster.Name}; it ends {ticket.ExpiresAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.");
            step.Changes.Add(Change.Of(ChangeTopic.Attester));
            return new NewTicket(ticket.Id, secret, ticket.ExpiresAt);
        },
        ct);

    /// <summary>Withdraws a ticket, or forgets what one said. Needs <see cref="Permission.ManageHosts"/>. Enrolled hosts stay as they are.</summary>
    public Task<Outcome<Done>> WithdrawAsync(Caller caller, Guid id, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageHosts,
        new AuditTarget(Kind, id, id.ToString()),
        async step =>
        {
            if (await step.Db.EnrolmentTickets.SingleOrDefaultAsync(t => t.Id == id, step.Ct) is not { } ticket)
            {
                return Refusal.NotFound(Kind, id.ToString());
            }

            step.About(TargetOf(ticket));
            step.Db.EnrolmentTickets.Remove(ticket);
            step.Audit("ticket.withdrawn", $"{caller.Person.Name} withdrew the ticket for {ticket.HostName}.");
            step.Changes.Add(Change.Of(ChangeTopic.Attester));
            return Done.Value;
        },
        ct);

    /// <summary>
    /// Takes a ticket, once: from now on the endorsement key is that of the expected host, as whoever held the ticket says.
    /// Refusals: <c>ticket.endorsement_hash</c>, <c>ticket.refused</c>, the same whether it was used, has ended or never was.
    /// </summary>
    /// <param name="ticket">The ticket.</param>
    /// <param name="endorsementHash">SHA-256 of the endorsement key, hexadecimal.</param>
    /// <param name="sender">Where it came from.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public async Task<Outcome<Done>> TakeAsync(string ticket, string endorsementHash, string sender, CancellationToken ct)
    {
        if (!IsHash(endorsementHash))
        {
            return Refusal.Invalid("ticket.endorsement_hash", "endorsement_hash", "That is no SHA-256 in hexadecimal.", "Send the SHA-256 of the endorsement key.");
        }

        var (hash, now, key) = (HashOf(ticket), time.GetUtcNow(), endorsementHash.ToLowerInvariant());
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var taken = await db.EnrolmentTickets
            .Where(t => t.TicketHash == hash && t.UsedAt == null && t.ExpiresAt > now)
            .ExecuteUpdateAsync(set => set.SetProperty(t => t.UsedAt, now).SetProperty(t => t.UsedFrom, sender).SetProperty(t => t.EndorsementHash, key), ct);
        if (taken != 1)
        {
            return NotTaken;
        }

        var row = await db.EnrolmentTickets.AsNoTracking().SingleAsync(t => t.TicketHash == hash, ct);
        audit.Add(db, Person.Portal, "ticket.used", TargetOf(row), $"From {sender} somebody with the ticket for {row.HostName} named the endorsement key {key}.");
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Attester));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return Done.Value;
    }

    /// <summary>Tickets that are open, and those that were used, newest first.</summary>
    public async Task<IReadOnlyList<TicketRow>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var rows = await db.EnrolmentTickets.AsNoTracking()
            .Where(t => t.UsedAt != null || t.ExpiresAt > now)
            .OrderByDescending(t => t.CreatedAt).ThenByDescending(t => t.Id)
            .Join(db.Clusters, t => t.ClusterId, c => c.Id, (Ticket, c) => new { Ticket, c.Name })
            .ToListAsync(ct);
        return rows.ConvertAll(r => new TicketRow(r.Ticket, r.Name));
    }

    /// <summary>Removes tickets that ended, and what they said once it is old.</summary>
    public async Task ForgetAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var before = now - Remembered;
        await using var db = await contexts.CreateDbContextAsync(ct);
        await db.EnrolmentTickets.Where(t => (t.UsedAt == null && t.ExpiresAt <= now) || t.ExpiresAt <= before).ExecuteDeleteAsync(ct);
    }

    /// <summary>What registrations are expected as, by endorsement hash; the newest first.</summary>
    internal static async Task<ILookup<string, ExpectedHost>> ExpectedAsync(PortalDbContext db, CancellationToken ct)
    {
        var rows = await db.EnrolmentTickets.AsNoTracking()
            .Where(t => t.EndorsementHash != null)
            .OrderByDescending(t => t.UsedAt)
            .Join(db.Clusters, t => t.ClusterId, c => c.Id, (t, c) => new { t.EndorsementHash, t.HostName, t.ClusterId, c.Name, t.CreatedBy, t.TicketHash })
            .ToListAsync(ct);
        return rows.ToLookup(r => r.EndorsementHash!, r => new ExpectedHost(r.HostName, r.ClusterId, r.Name, r.CreatedBy, r.TicketHash is null), StringComparer.Ordinal);
    }

    /// <summary>The host as it may be expected; for what asks on somebody's behalf.</summary>
    internal static async Task<Outcome<(string HostName, Cluster Cluster)>> CheckAsync(ClusterStep step, Registration.HostToEnrol expected)
    {
        var name = expected.HostName.Trim();
        if (HostNames.Fault(name) is { } fault)
        {
            return fault;
        }

        if (await step.Db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == expected.ClusterId, step.Ct) is not { } cluster)
        {
            return Refusal.NotFound("cluster", expected.ClusterId.ToString());
        }

        return await step.Db.Hosts.AnyAsync(h => h.Name == name && h.ClusterId != cluster.Id, step.Ct)
            ? Refusal.Conflict("host.cluster", $"There is a host {name} in another cluster.", "Choose its cluster, or another name.")
            : (name, cluster);
    }

    internal static EnrolmentTicket New((string HostName, Cluster Cluster) expected, Person by, DateTimeOffset now, DateTimeOffset until, string? hash) => new()
    {
        TicketHash = hash,
        HostName = expected.HostName,
        ClusterId = expected.Cluster.Id,
        CreatedBy = by.Name,
        CreatedAt = now,
        ExpiresAt = until,
    };

    internal static bool IsHash(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigit);

    private static AuditTarget TargetOf(EnrolmentTicket ticket) => new(Kind, ticket.Id, ticket.HostName);

    private static string HashOf(string ticket) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ticket)));
}
