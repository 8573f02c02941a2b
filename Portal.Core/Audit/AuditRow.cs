using System.Linq.Expressions;

namespace Portal.Core.Audit;

/// <summary>An audit entry as pages, clients and exports see it.</summary>
/// <param name="Id">Order of writing.</param>
/// <param name="At">When, UTC.</param>
/// <param name="Issuer">Issuer of the acting person.</param>
/// <param name="Subject">Subject of the acting person.</param>
/// <param name="PersonName">Name of the acting person at that time.</param>
/// <param name="Event">What happened; for a refusal its code.</param>
/// <param name="Severity">How loud.</param>
/// <param name="TargetKind">What it is about.</param>
/// <param name="TargetId">The target's id.</param>
/// <param name="TargetName">The target's name at that time.</param>
/// <param name="Sentence">The story in one sentence.</param>
/// <param name="Detail">More, as JSON.</param>
/// <param name="Sequence">Its place in the chain; null until sealed.</param>
public sealed record AuditRow(
    long Id,
    DateTimeOffset At,
    string Issuer,
    string Subject,
    string PersonName,
    string Event,
    AuditSeverity Severity,
    string TargetKind,
    Guid? TargetId,
    string TargetName,
    string Sentence,
    string? Detail,
    long? Sequence)
{
    internal static Expression<Func<AuditEntry, AuditRow>> FromEntry { get; } = e => new AuditRow(
        e.Id, e.At, e.Issuer, e.Subject, e.PersonName, e.Event, e.Severity, e.TargetKind, e.TargetId, e.TargetName, e.Sentence, e.Detail, e.Sequence);
}
