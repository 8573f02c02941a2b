using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>A replacement that waits, as people see it.</summary>
/// <param name="Replacement">The proposal.</param>
/// <param name="Registration">The TPM that is to vouch.</param>
/// <param name="IsVoid">Whether the host's attester changed since.</param>
public sealed record WaitingReplacement(AttesterReplacement Replacement, Registration Registration, bool IsVoid)
{
    /// <summary>Whether a person is the one who proposed it.</summary>
    public bool IsBy(Person person) => person.Is(new Person(Replacement.Issuer, Replacement.Subject, Replacement.PersonName));
}

/// <summary>Lets another TPM vouch for a host that has an attester: proposed by one person, confirmed by another. What the old one proved does not count any more.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="directory">Reads registrations.</param>
/// <param name="contexts">The database.</param>
/// <param name="attest">Attests with the new one at once.</param>
public sealed class ReplaceAttester(ClusterDesk desk, RegistrationDirectory directory, IDbContextFactory<PortalDbContext> contexts, IAttestNow attest)
{
    private const string Kind = "host";

    /// <summary>What waits for a host; null when nothing does.</summary>
    public async Task<WaitingReplacement?> OfHostAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.AttesterReplacements.AsNoTracking().SingleOrDefaultAsync(r => r.HostId == hostId, ct) is not { } waiting || await directory.FindAsync(db, waiting.RegistrationId, ct) is not { } registration)
        {
            return null;
        }

        return new WaitingReplacement(waiting, registration, !await db.Attesters.AnyAsync(a => a.HostId == hostId && a.KeyName == waiting.AgainstKeyName, ct));
    }

    /// <summary>Proposes it. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>attester.replacement.*</c>, <c>attester.not_waiting</c>, <c>attester.host</c>.</summary>
    /// <returns>The proposal's id.</returns>
    public Task<Outcome<Guid>> ProposeAsync(Caller caller, Guid hostId, Guid registrationId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, Unread(hostId), step => ProposeAsync(step, hostId, registrationId), ct);

    /// <summary>
    /// Puts it in force and attests the host with the new TPM at once. Needs <see cref="Permission.ManageClusters"/> and somebody else than the proposer;
    /// a TPM nobody vouches for must have been accepted by two people, as everywhere. Refusals: <c>attester.replacement.*</c>,
    /// <c>attester.not_accepted</c>, <c>attester.key.*</c>.
    /// </summary>
    public async Task<Outcome<Done>> ConfirmAsync(Caller caller, Guid hostId, Guid replacementId, CancellationToken ct)
    {
        var outcome = await desk.RunAsync(caller, Permission.ManageClusters, Unread(hostId), step => ConfirmAsync(step, hostId, replacementId), ct);
        if (outcome.Succeeded)
        {
            // It vouches now; if it does not answer, the host's row says so and the next round asks again.
            await attest.AttestAsync(hostId, AttestationPurpose.Enrolment, null, CancellationToken.None);
        }

        return outcome;
    }

    /// <summary>Drops it. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>attester.replacement.not_found</c>.</summary>
    public Task<Outcome<Done>> RejectAsync(Caller caller, Guid hostId, Guid replacementId, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageClusters,
        Unread(hostId),
        async step =>
        {
            if (await FindAsync(step, hostId, replacementId) is not ({ } host, { } waiting))
            {
                return Gone();
            }

            step.Db.AttesterReplacements.Remove(waiting);
            var own = IsBy(waiting, step.Person);
            step.Audit(
                own ? "attester.replacement.withdrawn" : "attester.replacement.rejected",
                own ? $"{step.Person.Name} withdrew that another TPM vouches for {host.Name}." : $"{step.Person.Name} rejected that another TPM vouches for {host.Name}, which {waiting.PersonName} proposed.");
            Tell(step, hostId);
            return Done.Value;
        },
        ct);

    private async Task<Outcome<Guid>> ProposeAsync(ClusterStep step, Guid hostId, Guid registrationId)
    {
        if (await HostAsync(step, hostId) is not { } host)
        {
            return Refusal.NotFound(Kind, hostId.ToString());
        }

        if (await step.Db.Attesters.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, step.Ct) is not { } present)
        {
            return Refusal.Conflict("attester.replacement.none", $"{host.Name} has no attester yet.", "Enrol this one as its first.");
        }

        if (await directory.FindAsync(step.Db, registrationId, step.Ct) is not { } found)
        {
            return Refusal.NotFound("attester", registrationId.ToString());
        }

        if (found.Attester.Status != RegistrationStatus.Waiting)
        {
            return AttesterRefusals.NotWaiting(found.Attester);
        }

        if (found.Attester.Replaces)
        {
            return Refusal.Conflict("attester.host", $"The TPM of {found.Attester.AgentId} vouches for {found.HostName} already, with another key.", $"Enrol it as {found.HostName}.");
        }

        if (await step.Db.AttesterReplacements.SingleOrDefaultAsync(r => r.HostId == hostId, step.Ct) is { } waiting)
        {
            if (waiting.AgainstKeyName == present.KeyName)
            {
                return Refusal.Conflict("attester.replacement.waiting", $"Another TPM that {waiting.PersonName} proposed for {host.Name} waits for a second person already.", "Have that one confirmed, rejected or withdrawn first.");
            }

            step.Db.AttesterReplacements.Remove(waiting);
        }

        var proposal = new AttesterReplacement
        {
            HostId = hostId,
            AgainstKeyName = present.KeyName,
            RegistrationId = registrationId,
            Issuer = step.Person.Issuer,
            Subject = step.Person.Subject,
            PersonName = step.Person.Name,
            At = step.Now,
        };
        step.Db.AttesterReplacements.Add(proposal);
        step.Audit("attester.replacement.proposed", $"{step.Person.Name} proposed that {found.Attester.AgentId} (endorsement key {found.Attester.EndorsementHash}) vouches for {host.Name} instead of its present TPM. {Words(found, host)}");
        Tell(step, hostId);
        return proposal.Id;
    }

    private async Task<Outcome<Done>> ConfirmAsync(ClusterStep step, Guid hostId, Guid replacementId)
    {
        if (await FindAsync(step, hostId, replacementId) is not ({ } host, { } waiting))
        {
            return Gone();
        }

        if (IsBy(waiting, step.Person))
        {
            return new Refusal("attester.replacement.own", RefusalKind.Forbidden, $"{step.Person.Name} proposed this and cannot confirm it.", "Ask somebody else with the role administrator or security.");
        }

        if (await step.Db.Attesters.SingleOrDefaultAsync(a => a.HostId == hostId, step.Ct) is not { } attester || attester.KeyName != waiting.AgainstKeyName)
        {
            return Refusal.Conflict("attester.replacement.void", $"The attester of {host.Name} changed since this was proposed.", "Propose it again.");
        }

        if (await directory.FindAsync(step.Db, waiting.RegistrationId, step.Ct) is not { } found || found.Attester.Status != RegistrationStatus.Waiting)
        {
            return Gone();
        }

        if (!found.MayBeEnrolled)
        {
            return Refusal.Conflict("attester.not_accepted", $"{found.Attester.AgentId} waits for {found.WaitsFor}: {found.Origin.Sentence}", "Compare the hash of its endorsement key with the host, then accept it.");
        }

        if (!AttestationKey.Accept(found.Attester.AttestationKey).TryGet(out var key, out var refusal))
        {
            return Refusal.Conflict("attester.key.refused", $"{found.Attester.AgentId} offers a key that cannot vouch for it: {refusal.Message}", refusal.Remedy);
        }

        using (key)
        {
            return await ExchangeAsync(step, host, attester, found.Attester, EnrolledKey.Of(found.Attester.AttestationKey, key), waiting);
        }
    }

    private static async Task<Outcome<Done>> ExchangeAsync(ClusterStep step, Host host, Attester attester, RegisteredAttester row, EnrolledKey key, AttesterReplacement waiting)
    {
        var (db, hostId) = (step.Db, host.Id);
        if (await db.Attesters.AnyAsync(a => a.KeyName == key.Name && a.HostId != hostId, step.Ct))
        {
            return Refusal.Conflict("attester.key.taken", $"{row.AgentId} has a key that is enrolled for another host.", "One TPM belongs to one host: find out which of the two answers for the other.");
        }

        var before = attester.KeyName;
        (attester.AttestationKey, attester.KeyName, attester.KeyDescription) = (key.Area, key.Name, key.Description);
        (attester.EnrolledAt, attester.EnrolledBy) = (step.Now, step.Person.Name);
        db.RegisteredAttesters.RemoveRange(await db.RegisteredAttesters.Where(r => r.HostId == hostId && r.Id != row.Id).ToListAsync(step.Ct));
        db.AttesterReplacements.Remove(waiting);
        db.Attach(row);
        (row.Status, row.HostId) = (RegistrationStatus.Enrolled, hostId);
        step.Audit("attester.replaced", $"{step.Person.Name} confirmed what {waiting.PersonName} proposed: {row.AgentId} vouches for {host.Name} from now on, with {key.Description}, name {key.Name}, endorsement key {row.EndorsementHash}; it was the key {before}. What that proved does not count any more.");
        step.OnCommit(async () =>
        {
            await ServiceReset.ForgetAsync(db, h => h.Id == hostId, step.Ct);
            await db.Attestations.Where(a => a.HostId == hostId && a.Verdict == Verdict.None).ExecuteUpdateAsync(set => set.SetProperty(a => a.Reason, "another TPM vouches for it now"), step.Ct);

            // The boot counters, the clock and the measurement list were those of the other TPM.
            await db.Attestations.Where(a => a.HostId == hostId).ExecuteUpdateAsync(
                set => set.SetProperty(a => a.ResetCount, (long?)null).SetProperty(a => a.RestartCount, (long?)null).SetProperty(a => a.TpmClock, (long?)null), step.Ct);
            await db.MeasurementProgress.Where(m => m.HostId == hostId).ExecuteDeleteAsync(step.Ct);
            await db.MeasurementSegments.Where(m => m.HostId == hostId).ExecuteDeleteAsync(step.Ct);
            await db.Evidence.Where(e => e.Id == hostId).ExecuteDeleteAsync(step.Ct);
            return true;
        });
        Tell(step, hostId);
        step.Changes.Add(Change.Of(ChangeTopic.Attestation, hostId));
        return Done.Value;
    }

    private static string Words(Registration found, Host host)
    {
        var (reasons, _) = AttesterMatches.Compare(found.Attester, found.Expected.Select(e => e.HostName), host);
        return reasons.Count == 0 ? "Nothing but that word says that it is of this machine." : string.Join(' ', reasons);
    }

    private static async Task<Host?> HostAsync(ClusterStep step, Guid hostId)
    {
        var host = await step.Db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, step.Ct);
        if (host is not null)
        {
            step.About(new AuditTarget(Kind, host.Id, host.Name));
        }

        return host;
    }

    private static async Task<(Host? Host, AttesterReplacement? Waiting)> FindAsync(ClusterStep step, Guid hostId, Guid replacementId) =>
        (await HostAsync(step, hostId), await step.Db.AttesterReplacements.SingleOrDefaultAsync(r => r.Id == replacementId && r.HostId == hostId, step.Ct));

    private static bool IsBy(AttesterReplacement waiting, Person person) => person.Is(new Person(waiting.Issuer, waiting.Subject, waiting.PersonName));

    private static void Tell(ClusterStep step, Guid hostId)
    {
        step.Changes.Add(Change.Of(ChangeTopic.Attester));
        step.Changes.Add(Change.Of(ChangeTopic.Host, hostId));
    }

    private static Refusal Gone() => new("attester.replacement.not_found", RefusalKind.NotFound, "This proposal does not wait any more.", "Look again: it was confirmed, rejected or withdrawn.");

    private static AuditTarget Unread(Guid hostId) => new(Kind, hostId, hostId.ToString());
}
