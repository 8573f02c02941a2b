using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>What commands on registered attesters share.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="directory">Reads registrations.</param>
public sealed class RegistrationDesk(ClusterDesk desk, RegistrationDirectory directory)
{
    internal const string Kind = "attester";

    internal Task<Outcome<T>> RunAsync<T>(Caller caller, Permission permission, Guid id, Func<ClusterStep, Registration, Task<Outcome<T>>> attempt, CancellationToken ct) => desk.RunAsync(
        caller,
        permission,
        new AuditTarget(Kind, id, id.ToString()),
        async step =>
        {
            if (await directory.FindAsync(step.Db, id, step.Ct) is not { } found)
            {
                return Refusal.NotFound(Kind, id.ToString());
            }

            step.About(Registrar.TargetOf(found.Attester));
            step.Changes.Add(Change.Of(ChangeTopic.Attester));
            return await attempt(step, found);
        },
        ct);
}

/// <summary>One person accepts the endorsement key of a TPM nobody vouches for, or the new key of an enrolled host. It takes two.</summary>
/// <param name="desk">What commands share.</param>
public sealed class AcceptAttester(RegistrationDesk desk)
{
    /// <summary>
    /// Accepts the hash that was shown. Needs <see cref="Permission.ManageClusters"/>.
    /// Refusals: <c>attester.not_waiting</c>, <c>attester.accept.own</c>, <c>attester.accept.hash</c>, <c>attester.accept.needless</c>.
    /// </summary>
    /// <param name="caller">Who accepts.</param>
    /// <param name="id">The registration.</param>
    /// <param name="endorsementHash">The hash the person compared; null takes the one on record.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid id, string? endorsementHash, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageClusters,
        id,
        async (step, found) =>
        {
            var row = found.Attester;
            if (row.Status != RegistrationStatus.Waiting)
            {
                return AttesterRefusals.NotWaiting(row);
            }

            if (!found.NeedsAcceptance)
            {
                return Refusal.Conflict("attester.accept.needless", $"The maker of {row.AgentId}'s TPM vouches for it.", "Enrol it.");
            }

            if (endorsementHash is not null && !string.Equals(endorsementHash, row.EndorsementHash, StringComparison.OrdinalIgnoreCase))
            {
                return Refusal.Conflict("attester.accept.hash", "That is not the hash of this attester's endorsement key.", "Compare it again with what the host shows.");
            }

            var person = caller.Person;
            if (await step.Db.AttesterAcceptances.AnyAsync(a => a.RegistrationId == id && a.Issuer == person.Issuer && a.Subject == person.Subject, step.Ct))
            {
                return Refusal.Conflict("attester.accept.own", "You accepted it already.", "Ask a second person to accept it as well.");
            }

            step.Db.AttesterAcceptances.Add(new AttesterAcceptance
            {
                RegistrationId = id,
                Issuer = person.Issuer,
                Subject = person.Subject,
                PersonName = person.Name,
                EndorsementHash = row.EndorsementHash,
                At = step.Now,
            });
            step.Audit("attester.accepted", $"{person.Name} accepted the endorsement key {row.EndorsementHash} of {row.AgentId}: {found.Origin.Sentence}");
            return Done.Value;
        },
        ct);
}

/// <summary>Refuses a waiting attester, or forgets one that is not enrolled.</summary>
/// <param name="desk">What commands share.</param>
public sealed class DismissAttester(RegistrationDesk desk)
{
    /// <summary>Refuses it: when it registers again it is refused at once. Needs <see cref="Permission.ManageHosts"/>. Refusal: <c>attester.not_waiting</c>.</summary>
    public Task<Outcome<Done>> RefuseAsync(Caller caller, Guid id, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageHosts,
        id,
        (step, found) =>
        {
            var row = found.Attester;
            if (row.Status != RegistrationStatus.Waiting)
            {
                return Task.FromResult<Outcome<Done>>(AttesterRefusals.NotWaiting(row));
            }

            step.Db.Attach(row);
            row.Status = RegistrationStatus.Refused;
            row.Why = $"Refused by {caller.Person.Name}.";
            step.Audit("attester.refused", $"{caller.Person.Name} refused the attester {row.AgentId}.");
            return Task.FromResult<Outcome<Done>>(Done.Value);
        },
        ct);

    /// <summary>Removes the registration; the agent may register again. An enrolled one is refused: <c>attester.enrolled</c>.</summary>
    public Task<Outcome<Done>> RemoveAsync(Caller caller, Guid id, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageHosts,
        id,
        (step, found) =>
        {
            var row = found.Attester;
            if (row.Status == RegistrationStatus.Enrolled)
            {
                return Task.FromResult<Outcome<Done>>(Refusal.Conflict("attester.enrolled", $"{row.AgentId} vouches for {found.HostName}.", "An enrolled attester goes with its host."));
            }

            step.Db.RegisteredAttesters.Remove(row);
            step.Audit("attester.removed", $"{caller.Person.Name} removed the registration of {row.AgentId} ({row.EndorsementHash}).");
            return Task.FromResult<Outcome<Done>>(Done.Value);
        },
        ct);
}

/// <summary>What a person says of a host to be enrolled.</summary>
/// <param name="HostName">The host's name: an existing host without attester is bound, another name creates one.</param>
/// <param name="ClusterId">Where a new host goes; an existing one must be there.</param>
public sealed record HostToEnrol(string HostName, Guid ClusterId);

/// <summary>Lets a registered attester vouch for a host.</summary>
/// <param name="desk">What commands share.</param>
/// <param name="attest">Attests for the first time.</param>
public sealed class EnrolRegistered(RegistrationDesk desk, IAttestNow attest)
{
    /// <summary>
    /// Enrols it and attests the host at once. Needs <see cref="Permission.ManageHosts"/>. A new host has no hypervisor yet and takes no VMs.
    /// Refusals: <c>attester.not_waiting</c>, <c>attester.not_accepted</c>, <c>attester.key.refused</c>, <c>attester.key.taken</c>, <c>host.*</c>, <c>cluster.not_found</c>.
    /// </summary>
    /// <returns>The host's id.</returns>
    public async Task<Outcome<Guid>> ExecuteAsync(Caller caller, Guid id, HostToEnrol wanted, CancellationToken ct)
    {
        var outcome = await desk.RunAsync(caller, Permission.ManageHosts, id, (step, found) => AttemptAsync(step, found, wanted), ct);
        if (outcome.Succeeded)
        {
            // Enrolled it is; if it does not answer now, its row says so and the next round asks again.
            await attest.AttestAsync(outcome.Value, AttestationPurpose.Enrolment, null, CancellationToken.None);
        }

        return outcome;
    }

    private static async Task<Outcome<Guid>> AttemptAsync(ClusterStep step, Registration found, HostToEnrol wanted)
    {
        var row = found.Attester;
        if (row.Status != RegistrationStatus.Waiting)
        {
            return AttesterRefusals.NotWaiting(row);
        }

        if (!found.MayBeEnrolled)
        {
            return Refusal.Conflict("attester.not_accepted", $"{row.AgentId} waits for {found.WaitsFor}: {found.Origin.Sentence}", "Compare the hash of its endorsement key with the host, then accept it.");
        }

        if (!AttestationKey.Accept(row.AttestationKey).TryGet(out var key, out var refusal))
        {
            return Refusal.Conflict("attester.key.refused", $"{row.AgentId} offers a key that cannot vouch for it: {refusal.Message}", refusal.Remedy);
        }

        using (key)
        {
            var host = await HostAsync(step, found, wanted);
            return host.Succeeded ? await BindAsync(step, found, host.Value, EnrolledKey.Of(row.AttestationKey, key)) : host.Refusal;
        }
    }

    private static async Task<Outcome<Host>> HostAsync(ClusterStep step, Registration found, HostToEnrol wanted)
    {
        var name = wanted.HostName.Trim();
        if (HostNames.Fault(name) is { } fault)
        {
            return fault;
        }

        if (await step.Db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == wanted.ClusterId, step.Ct) is not { } cluster)
        {
            return Refusal.NotFound("cluster", wanted.ClusterId.ToString());
        }

        var known = await step.Db.Hosts.SingleOrDefaultAsync(h => h.Name == name, step.Ct);
        if (found.Attester is { Replaces: true, HostId: { } before } && known?.Id != before)
        {
            return Refusal.Conflict("attester.host", $"The TPM of {found.Attester.AgentId} vouches for {found.HostName}; it cannot vouch for {name} as well.", $"Enrol it as {found.HostName}.");
        }

        if (known is not null)
        {
            return known.ClusterId == cluster.Id
                ? known
                : Refusal.Conflict("host.cluster", $"There is a host {name} in another cluster.", "Choose its cluster, or another name.");
        }

        var host = new Host
        {
            Name = name,
            Address = $"agent:{found.Attester.Address}",
            ClusterId = cluster.Id,
            State = HostState.NonResponsive,
            Cpus = 0,
            Memory = 0,
        };
        step.Db.Hosts.Add(host);
        step.Audit("host.added", $"{step.Person.Name} added the host {name} to {cluster.Name}; it has no hypervisor yet.");
        return host;
    }

    private static async Task<Outcome<Guid>> BindAsync(ClusterStep step, Registration found, Host host, EnrolledKey key)
    {
        var (db, row) = (step.Db, found.Attester);
        if (await db.Attesters.AnyAsync(a => a.KeyName == key.Name && a.HostId != host.Id, step.Ct))
        {
            return Refusal.Conflict("attester.key.taken", $"{row.AgentId} has a key that is enrolled for another host.", "One TPM belongs to one host: find out which of the two answers for the other.");
        }

        var attester = await db.Attesters.SingleOrDefaultAsync(a => a.HostId == host.Id, step.Ct);
        if (attester is not null && !row.Replaces)
        {
            return Refusal.Conflict("attester.enrolled", $"An attester is enrolled for {host.Name} already.", "An enrolled key is never overwritten by that of another TPM.");
        }

        if (attester is null)
        {
            db.Attesters.Add(attester = new Attester { HostId = host.Id, AttestationKey = [], KeyName = "", KeyDescription = "", EnrolledAt = step.Now, EnrolledBy = "" });
        }

        (attester.AttestationKey, attester.KeyName, attester.KeyDescription) = (key.Area, key.Name, key.Description);
        (attester.EnrolledAt, attester.EnrolledBy) = (step.Now, step.Person.Name);
        db.RegisteredAttesters.RemoveRange(await db.RegisteredAttesters.Where(r => r.HostId == host.Id && r.Status == RegistrationStatus.Enrolled).ToListAsync(step.Ct));
        db.Attach(row);
        (row.Status, row.HostId, row.Replaces) = (RegistrationStatus.Enrolled, host.Id, false);
        step.About(new AuditTarget("host", host.Id, host.Name));
        step.Audit("host.enrolled", $"{step.Person.Name} enrolled {row.AgentId} as the attester of {host.Name}: {key.Description}, name {key.Name}, endorsement key {row.EndorsementHash}.{Why(found, host)}");
        step.Changes.Add(Change.Of(ChangeTopic.Host, host.Id));
        step.Changes.Add(Change.Of(ChangeTopic.Attestation, host.Id));
        return host.Id;
    }

    /// <summary>What spoke for the two being one machine, for whoever asks later.</summary>
    private static string Why(Registration found, Host host)
    {
        if (host.LibvirtUri is null)
        {
            return "";
        }

        var (reasons, _) = AttesterMatches.Compare(found.Attester, found.Expected.Select(e => e.HostName), host);
        return reasons.Count == 0 ? " Nothing but that word says that it is of the machine whose hypervisor answers." : $" {string.Join(' ', reasons)}";
    }
}

internal static class AttesterRefusals
{
    public static Refusal NotWaiting(RegisteredAttester row) => Refusal.Conflict("attester.not_waiting", $"The attester {row.AgentId} does not wait: it is {row.Status.ToString().ToLowerInvariant()}.", "Look at it again.");
}
