using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// Takes registrations of hosts' agents. A registration becomes a row only when the TPM proved its key; nothing here gives trust,
/// connects to anybody or overwrites what people accepted.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="pending">Registrations whose TPM has not answered yet.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class Registrar(IDbContextFactory<PortalDbContext> contexts, PendingChallenges pending, AuditLog audit, IChangeFeed feed, TimeProvider time) : IDisposable
{
    /// <summary>Most registrations that wait for people.</summary>
    public const int MostWaiting = 10_000;

    /// <summary>Most incidents and refused registrations that are kept.</summary>
    public const int MostKept = 10_000;

    /// <summary>Most registrations from one address that wait or are incidents: one stranger cannot take everybody's room.</summary>
    public const int MostOfOneSender = 1_000;

    /// <summary>How often one TPM is written about in the audit within an hour, however often it registers.</summary>
    public const int TellsPerHour = 6;

    /// <summary>How long a registration waits that does not come back.</summary>
    public static readonly TimeSpan WaitsFor = TimeSpan.FromDays(7);

    private static readonly Refusal Taken = new("registration.incident", RefusalKind.Forbidden, "Another TPM has this id.", "If the TPM was exchanged, remove the old registration first.");

    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly Tellings tellings = new(TellsPerHour, MostWaiting, time);

    /// <summary>Answers a registration with a challenge for its TPM. Changes nothing.</summary>
    /// <param name="registration">The registration.</param>
    /// <param name="sender">Where it came from.</param>
    public Outcome<AgentChallenge> Register(AgentRegistration registration, string sender) => pending.Make(registration, sender);

    /// <summary>
    /// Takes the TPM's answer and writes the registration down.
    /// Refusals: <c>registration.unproved</c>, <c>registration.incident</c>, <c>registration.refused</c>, <c>registration.full</c>.
    /// </summary>
    /// <param name="agentId">Whose.</param>
    /// <param name="activation">The answer.</param>
    /// <param name="sender">Where it came from.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public async Task<Outcome<RegisteredAttester>> ActivateAsync(string agentId, AgentActivation activation, string sender, CancellationToken ct)
    {
        if (pending.Take(agentId, sender, activation) is not { } registration)
        {
            return new Refusal("registration.unproved", RefusalKind.Forbidden, "No open registration of this agent has that answer.", "Register again, then answer within two minutes from the same address.");
        }

        // One after the other: what is there already decides what the next one is.
        await turn.WaitAsync(ct);
        try
        {
            return await TakeAsync(registration, sender, ct);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Removes registrations that waited in vain.</summary>
    /// <returns>How many.</returns>
    public async Task<int> ForgetAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var before = time.GetUtcNow() - WaitsFor;
        var gone = await db.RegisteredAttesters.Where(r => r.Status == RegistrationStatus.Waiting && r.LastSeenAt < before).ExecuteDeleteAsync(ct);
        if (gone > 0)
        {
            feed.Publish(Change.Of(ChangeTopic.Attester));
        }

        return gone;
    }

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();

    private async Task<Outcome<RegisteredAttester>> TakeAsync(AgentRegistration message, string sender, CancellationToken ct)
    {
        using var attestation = AttestationKey.Accept(message.AttestationArea.Span).Value;
        var (hash, key) = (message.Endorsement.Fingerprint(), Convert.ToHexStringLower(attestation.Name.Span));
        await using var db = await contexts.CreateDbContextAsync(ct);
        var known = await db.RegisteredAttesters.Where(r => r.EndorsementHash == hash || r.AgentId == message.AgentId).ToListAsync(ct);
        var same = known.SingleOrDefault(r => r.EndorsementHash == hash && r.KeyName == key);
        var row = same ?? New(message, hash, key, attestation.Public.Raw, sender);
        // Refused is the TPM: keys and names it can have as many as it likes.
        var closed = same is { Status: RegistrationStatus.Refused or RegistrationStatus.Incident } ? same
            : same is null ? known.FirstOrDefault(r => r.EndorsementHash == hash && r.Status == RegistrationStatus.Refused)
            : null;
        if (closed is not null)
        {
            (closed.LastSeenAt, closed.Count) = (time.GetUtcNow(), closed.Count + 1);
            await db.SaveChangesAsync(ct);
            return RefusalOf(closed);
        }

        if (same is null && await IsFullAsync(db, sender, ct))
        {
            return new Refusal("registration.full", RefusalKind.Unavailable, "Too many registrations wait for somebody to look at them.", "Enrol or remove some of them.");
        }

        var other = known.FirstOrDefault(r => r.AgentId == message.AgentId && r.EndorsementHash != hash && r.Status is RegistrationStatus.Waiting or RegistrationStatus.Enrolled);
        if (other is not null)
        {
            return await IncidentAsync(db, row, same is null, other, sender, ct);
        }

        if (same is null)
        {
            Introduce(db, row, known.Where(r => r.EndorsementHash == hash).ToList());
        }
        else
        {
            Refresh(db, same, message, sender);
        }

        await db.SaveChangesAsync(ct);
        Tell(same is null);
        return row;
    }

    /// <summary>A TPM seen for the first time, or with a key it did not have before.</summary>
    private void Introduce(PortalDbContext db, RegisteredAttester row, IReadOnlyList<RegisteredAttester> ofSameTpm)
    {
        // Of one TPM one key waits at most: the newest.
        db.RegisteredAttesters.RemoveRange(ofSameTpm.Where(r => r.Status == RegistrationStatus.Waiting));
        if (ofSameTpm.FirstOrDefault(r => r.Status == RegistrationStatus.Enrolled) is { } enrolled)
        {
            (row.Replaces, row.HostId) = (true, enrolled.HostId);
        }

        db.RegisteredAttesters.Add(row);
        if (!tellings.May(row.EndorsementHash))
        {
            return;
        }

        audit.Add(
            db,
            Person.Portal,
            "attester.registered",
            TargetOf(row),
            row.Replaces
                ? $"The TPM of an enrolled host registered as {row.AgentId} with a new attestation key: two people have to accept it."
                : $"The agent {row.AgentId} registered from {row.SeenFrom}; its TPM proved its key. It waits to be enrolled.");
    }

    private void Refresh(PortalDbContext db, RegisteredAttester row, AgentRegistration message, string sender)
    {
        var (address, port, certificate) = (message.Address ?? "", message.Port ?? 0, message.ChannelCertificate?.ToArray());
        var sameCertificate = (row.ServerCertificate ?? []).AsSpan().SequenceEqual(certificate ?? []);
        if ((row.AgentId != message.AgentId || row.Address != address || row.Port != port || !sameCertificate) && tellings.May(row.EndorsementHash))
        {
            audit.Add(db, Person.Portal, "attester.moved", TargetOf(row), $"The agent {row.AgentId} registered again: it is {message.AgentId} at {address}:{port} now{(sameCertificate ? "" : ", with another certificate")}.");
        }

        (row.AgentId, row.Address, row.Port, row.ServerCertificate, row.SeenFrom) = (message.AgentId, address, port, certificate, sender);
        (row.LastSeenAt, row.Count) = (time.GetUtcNow(), row.Count + 1);
        row.EndorsementCertificate = CertificateOf(message) ?? row.EndorsementCertificate;
    }

    /// <summary>Two TPMs under one name. What was there stays as it is.</summary>
    private async Task<Outcome<RegisteredAttester>> IncidentAsync(PortalDbContext db, RegisteredAttester row, bool isNew, RegisteredAttester other, string sender, CancellationToken ct)
    {
        // An enrolled or waiting TPM that takes another's name is an incident, but not its end.
        if (isNew)
        {
            row.Status = RegistrationStatus.Incident;
            row.Why = $"It proved the key of another TPM under the name {other.AgentId}, which belongs to {(other.Status == RegistrationStatus.Enrolled ? "an enrolled host" : "an agent that waits")}.";
            db.RegisteredAttesters.Add(row);
        }

        var tells = tellings.May(row.EndorsementHash);
        if (tells)
        {
            audit.Add(
                db,
                Person.Portal,
                "attester.incident",
                TargetOf(other),
                $"From {sender} another TPM ({row.EndorsementHash[..16]}…) registered as {other.AgentId}, whose TPM is {other.EndorsementHash[..16]}…. It was refused and nothing was changed.",
                AuditSeverity.Alarm);
        }

        await db.SaveChangesAsync(ct);
        Tell(tells);
        return Taken;
    }

    private RegisteredAttester New(AgentRegistration message, string hash, string key, ReadOnlyMemory<byte> attestationArea, string sender)
    {
        var now = time.GetUtcNow();
        return new RegisteredAttester
        {
            AgentId = message.AgentId,
            EndorsementKey = message.Endorsement.Public.Raw.ToArray(),
            EndorsementHash = hash,
            EndorsementCertificate = CertificateOf(message),
            AttestationKey = attestationArea.ToArray(),
            KeyName = key,
            ServerCertificate = message.ChannelCertificate?.ToArray(),
            Address = message.Address ?? "",
            Port = message.Port ?? 0,
            SeenFrom = sender,
            FirstSeenAt = now,
            LastSeenAt = now,
        };
    }

    private static byte[]? CertificateOf(AgentRegistration message) => message.EndorsementCertificate.IsEmpty ? null : message.EndorsementCertificate.ToArray();

    private static async Task<bool> IsFullAsync(PortalDbContext db, string sender, CancellationToken ct)
    {
        if (await db.RegisteredAttesters.CountAsync(r => r.SeenFrom == sender && (r.Status == RegistrationStatus.Waiting || r.Status == RegistrationStatus.Incident), ct) >= MostOfOneSender)
        {
            return true;
        }

        var counts = await db.RegisteredAttesters.GroupBy(r => r.Status).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        return counts.GetValueOrDefault(RegistrationStatus.Waiting) >= MostWaiting
            || counts.GetValueOrDefault(RegistrationStatus.Incident) + counts.GetValueOrDefault(RegistrationStatus.Refused) >= MostKept;
    }

    private static Refusal RefusalOf(RegisteredAttester row) => row.Status == RegistrationStatus.Incident
        ? Taken
        : new("registration.refused", RefusalKind.Forbidden, "This attester was refused by an administrator.", "Ask an administrator to remove the refusal.");

    private void Tell(bool audited)
    {
        feed.Publish(Change.Of(ChangeTopic.Attester));
        if (audited)
        {
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }

    internal static AuditTarget TargetOf(RegisteredAttester row) => new("attester", row.Id, row.AgentId);
}
