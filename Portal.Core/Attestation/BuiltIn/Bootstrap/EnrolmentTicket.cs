namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>
/// Says which host somebody expects. Whoever holds the ticket names, once, the endorsement key of the machine they sit at; a registration with
/// that key is then shown as the expected host. What identifies a host is its TPM: a ticket enrols nothing and counts as nobody's acceptance.
/// </summary>
public sealed class EnrolmentTicket
{
    /// <summary>Identifier; no secret.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>SHA-256 of the ticket, lower-case hexadecimal; the ticket itself is shown once and kept nowhere. Null for a key the portal read itself.</summary>
    public string? TicketHash { get; init; }

    /// <summary>The host that is expected.</summary>
    public required string HostName { get; init; }

    /// <summary>Where it is to go.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>Who expects it, by name at that time.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it ends.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>When it was used; null while it was not.</summary>
    public DateTimeOffset? UsedAt { get; set; }

    /// <summary>Where whoever used it was seen; empty while nobody did.</summary>
    public string UsedFrom { get; set; } = "";

    /// <summary>The endorsement key it was used for, as <see cref="Portal.Core.Tpm.EndorsementKey.Fingerprint"/>; null while it was not.</summary>
    public string? EndorsementHash { get; set; }
}

/// <summary>A ticket as its maker sees it once.</summary>
/// <param name="Id">The record's id.</param>
/// <param name="Ticket">The ticket: letters, digits, <c>-</c> and <c>_</c>. Shown once.</param>
/// <param name="ExpiresAt">When it ends.</param>
public sealed record NewTicket(Guid Id, string Ticket, DateTimeOffset ExpiresAt);

/// <summary>A ticket in lists.</summary>
/// <param name="Ticket">The record.</param>
/// <param name="ClusterName">Its cluster.</param>
public sealed record TicketRow(EnrolmentTicket Ticket, string ClusterName);

/// <summary>What a registration was expected as.</summary>
/// <param name="HostName">The host.</param>
/// <param name="ClusterId">Its cluster.</param>
/// <param name="ClusterName">The cluster's name.</param>
/// <param name="By">Who expects it.</param>
/// <param name="ReadByPortal">Whether the portal read the key itself when it prepared the host; otherwise somebody with a ticket named it.</param>
public sealed record ExpectedHost(string HostName, Guid ClusterId, string ClusterName, string By, bool ReadByPortal);
