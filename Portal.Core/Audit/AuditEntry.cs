namespace Portal.Core.Audit;

/// <summary>How loud an audit entry is.</summary>
public enum AuditSeverity
{
    /// <summary>Something was done or changed.</summary>
    Notice,

    /// <summary>Something was asked for and refused.</summary>
    Refusal,

    /// <summary>Something needs a person.</summary>
    Alarm,
}

/// <summary>What an entry is about.</summary>
/// <param name="Kind">Lower case: <c>host</c>, <c>vm</c>, <c>cluster</c>, <c>baseline</c>, <c>operation</c>, <c>portal</c>.</param>
/// <param name="Id">Its identifier, if it has one yet.</param>
/// <param name="Name">Its name at that time.</param>
public sealed record AuditTarget(string Kind, Guid? Id, string Name);

/// <summary>One row of the append-only audit. Rows are written in the transaction of what they tell of, and sealed into a keyed chain after.</summary>
public sealed class AuditEntry
{
    /// <summary>Order of writing.</summary>
    public long Id { get; set; }

    /// <summary>When, by our clock.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Issuer of the acting person.</summary>
    public required string Issuer { get; init; }

    /// <summary>Subject of the acting person.</summary>
    public required string Subject { get; init; }

    /// <summary>Name of the acting person at that time.</summary>
    public required string PersonName { get; init; }

    /// <summary>What happened, dotted and stable, for example <c>vm.created</c>; for a refusal its code.</summary>
    public required string Event { get; init; }

    /// <summary>How loud.</summary>
    public required AuditSeverity Severity { get; init; }

    /// <summary>What it is about: <c>host</c>, <c>vm</c> and so on.</summary>
    public required string TargetKind { get; init; }

    /// <summary>The target's id.</summary>
    public Guid? TargetId { get; init; }

    /// <summary>The target's name at that time.</summary>
    public required string TargetName { get; init; }

    /// <summary>The story in one sentence.</summary>
    public required string Sentence { get; init; }

    /// <summary>More, as JSON; never a secret.</summary>
    public string? Detail { get; init; }

    /// <summary>
    /// Place in the chain: 1, 2, 3 without a gap; null until sealed. Not the id: on a database with several writers a row with a lower id
    /// may commit later.
    /// </summary>
    public long? Sequence { get; set; }

    /// <summary>HMAC-SHA-256 over this row, its place and the seal of the row before; null until sealed.</summary>
    public byte[]? Seal { get; set; }
}
