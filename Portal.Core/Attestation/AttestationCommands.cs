using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Attests a host because a person asked.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="desk">Attests.</param>
public sealed class AttestHost(IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, IAttestNow desk)
{
    /// <summary>Attests now and returns the row after it.</summary>
    public async Task<Outcome<HostAttestation>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var name = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.Name).SingleOrDefaultAsync(ct);
        var target = new AuditTarget("host", hostId, name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        if (name is not null)
        {
            await audit.AppendAsync(caller.Person, "host.attest", target, $"Asked to attest {name} now.", AuditSeverity.Notice, null, ct);
            if (await desk.AttestAsync(hostId, AttestationPurpose.AttestNow, null, ct) is { } row)
            {
                return row;
            }
        }

        var refusal = Refusal.NotFound("host", hostId.ToString());
        await audit.RefusedAsync(caller.Person, target, refusal, ct);
        return refusal;
    }
}

/// <summary>Enrols the attestation key a host offers, after the checks a key must pass.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="channels">Ways to hosts' TPMs.</param>
/// <param name="desk">Attests for the first time.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class EnrolAttester(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    IEnumerable<IAttesterChannel> channels,
    IAttestNow desk,
    IChangeFeed feed,
    TimeProvider time)
{
    /// <summary>Asks the host for its key, checks it and records it. A host with another key enrolled is refused: nothing is overwritten.</summary>
    /// <returns>The enrolled attester.</returns>
    public async Task<Outcome<Attester>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, ct);
        var target = new AuditTarget("host", hostId, host?.Name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        var outcome = host is null ? Refusal.NotFound("host", hostId.ToString()) : await EnrolAsync(db, caller, host, target, ct);
        if (!outcome.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, target, outcome.Refusal, ct);
            return outcome;
        }

        feed.Publish(Change.Of(ChangeTopic.Attestation, hostId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        await desk.AttestAsync(hostId, AttestationPurpose.Enrolment, null, ct);
        return outcome;
    }

    private async Task<Outcome<Attester>> EnrolAsync(PortalDbContext db, Caller caller, Host host, AuditTarget target, CancellationToken ct)
    {
        if (await db.Attesters.AsNoTracking().AnyAsync(a => a.HostId == host.Id, ct))
        {
            return Refusal.Conflict("attester.enrolled", $"An attester is enrolled for {host.Name} already.", "An enrolled key is never overwritten.");
        }

        var channel = channels.FirstOrDefault(c => c.Reaches(host.Endpoint));
        if (channel is null || await channel.IdentifyAsync(host.Endpoint, ct) is not { } identity)
        {
            return new Refusal("attester.silent", RefusalKind.Unavailable, $"The agent on {host.Name} does not answer.", "Check that the host is up and its agent runs.");
        }

        if (!AttestationKey.Accept(identity.AttestationKey).TryGet(out var key, out var refusal))
        {
            return Refusal.Conflict("attester.key.refused", $"{host.Name} offers a key that cannot vouch for it: {refusal.Message}", refusal.Remedy);
        }

        using (key)
        {
            // Two hosts with one key are one TPM that answers for both.
            var enrolled = EnrolledKey.Of(identity.AttestationKey, key);
            if (!channel.SharesKeys && await db.Attesters.AnyAsync(a => a.KeyName == enrolled.Name, ct))
            {
                return Refusal.Conflict("attester.key.taken", $"{host.Name} offers a key that is enrolled for another host.", "One TPM belongs to one host: find out which of the two answers for the other.");
            }

            var attester = new Attester
            {
                HostId = host.Id,
                AttestationKey = enrolled.Area,
                KeyName = enrolled.Name,
                KeyDescription = enrolled.Description,
                EnrolledAt = time.GetUtcNow(),
                EnrolledBy = caller.Person.Name,
            };
            db.Attesters.Add(attester);
            audit.Add(db, caller.Person, "host.enrolled", target, $"The attester of {host.Name} was enrolled: {attester.KeyDescription}, name {attester.KeyName}.");
            await db.SaveChangesAsync(ct);
            return attester;
        }
    }
}

/// <summary>An attestation key as it is enrolled.</summary>
/// <param name="Area">Its TPMT_PUBLIC.</param>
/// <param name="Name">Its TPM Name, hexadecimal.</param>
/// <param name="Description">What it is, in words.</param>
internal sealed record EnrolledKey(byte[] Area, string Name, string Description)
{
    public static EnrolledKey Of(byte[] area, AttestationKey key)
    {
        var what = key.Public.Type == TpmAlgorithm.Rsa ? $"RSA-{key.Public.KeyBits}" : $"ECC {key.Public.Curve}";
        return new EnrolledKey(area, Convert.ToHexStringLower(key.Name.Span), $"{what}, {key.Scheme.DisplayName()} with {key.Hash.DisplayName()}, restricted, fixed to its TPM");
    }
}
