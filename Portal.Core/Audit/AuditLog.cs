using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Audit;

/// <summary>Writes the audit. Entries about a change belong in the change's own transaction: use <see cref="Add"/> there.</summary>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
/// <param name="feed">Who listens.</param>
public sealed class AuditLog(IDbContextFactory<PortalDbContext> contexts, TimeProvider time, IChangeFeed feed)
{
    // What callers send ends up here too, and no row is ever removed: every text has its limit, in characters.
    private const int LongestName = 200;
    private const int LongestSentence = 2000;
    private const int LongestDetail = 16_000;

    /// <summary>Adds an entry to a context that the caller saves, so that the entry and what it tells of commit together.</summary>
    public void Add(PortalDbContext db, Person by, string @event, AuditTarget target, string sentence, AuditSeverity severity = AuditSeverity.Notice, string? detail = null) =>
        db.AuditEntries.Add(Entry(by, @event, target, sentence, severity, detail));

    /// <summary>Writes an entry of its own.</summary>
    public async Task AppendAsync(Person by, string @event, AuditTarget target, string sentence, AuditSeverity severity, string? detail, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        Add(db, by, @event, target, sentence, severity, detail);
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    /// <summary>Writes that something was asked for and refused, and why.</summary>
    public Task RefusedAsync(Person by, AuditTarget target, Refusal refusal, CancellationToken ct) =>
        AppendAsync(by, refusal.Code, target, refusal.Sentence, AuditSeverity.Refusal, null, ct);

    private AuditEntry Entry(Person by, string @event, AuditTarget target, string sentence, AuditSeverity severity, string? detail) => new()
    {
        At = time.GetUtcNow(),
        Issuer = by.Issuer,
        Subject = by.Subject,
        PersonName = Cut(by.Name, LongestName),
        Event = @event,
        Severity = severity,
        TargetKind = target.Kind,
        TargetId = target.Id,
        TargetName = Cut(target.Name, LongestName),
        Sentence = Cut(sentence, LongestSentence),
        Detail = detail is { Length: > LongestDetail } ? $$"""{"omitted":{{detail.Length}}}""" : detail,
    };

    private static string Cut(string text, int longest)
    {
        if (text.Length <= longest)
        {
            return text;
        }

        var end = char.IsHighSurrogate(text[longest - 2]) ? longest - 2 : longest - 1;
        return $"{text[..end]}…";
    }
}
