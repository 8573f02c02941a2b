using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Watch;

/// <summary>Keeps the rows of machines on hosts that are not the portal's: shown, counted, never touched.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class Strangers(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    private const int MostNamed = 10;

    /// <summary>Takes over all that a host has now: rows of what is gone are removed.</summary>
    /// <param name="hypervisor">Asked again about what carries the portal's metadata: it may be on its way to be deleted.</param>
    /// <param name="host">The host.</param>
    /// <param name="found">Its domains that the portal has no row of.</param>
    /// <param name="ct">Cancels.</param>
    public async Task ReplaceAsync(IHypervisor hypervisor, HostEndpoint host, IReadOnlyList<Domain> found, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var known = await db.ForeignMachines.Where(m => m.HostId == host.Id).ToListAsync(ct);
        db.ForeignMachines.RemoveRange(known.Where(m => !found.Any(d => d.Definition.Id == m.Id)));
        await KeepAsync(db, hypervisor, host, found, known, ct);
    }

    /// <summary>Takes over one machine; null when it is gone.</summary>
    public async Task ReplaceAsync(IHypervisor hypervisor, HostEndpoint host, Guid id, Domain? found, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var known = await db.ForeignMachines.Where(m => m.HostId == host.Id && m.Id == id).ToListAsync(ct);
        if (found is null)
        {
            db.ForeignMachines.RemoveRange(known);
        }

        await KeepAsync(db, hypervisor, host, found is null ? [] : [found], known, ct);
    }

    private async Task KeepAsync(PortalDbContext db, IHypervisor hypervisor, HostEndpoint host, IReadOnlyList<Domain> found, List<ForeignMachine> known, CancellationToken ct)
    {
        var strange = new List<string>();
        foreach (var domain in found.DistinctBy(d => d.Definition.Id))
        {
            var row = known.Find(m => m.Id == domain.Definition.Id);
            if (row is null)
            {
                if (domain.IsOurs && !await IsLeftAsync(db, hypervisor, host, domain, ct))
                {
                    continue;
                }

                if (!domain.IsOurs)
                {
                    strange.Add(domain.Definition.Name);
                }

                row = New(host, domain);
                db.ForeignMachines.Add(row);
            }

            Take(row, domain);
        }

        if (!db.ChangeTracker.HasChanges())
        {
            return;
        }

        if (strange.Count > 0)
        {
            audit.Add(db, Person.Portal, "machine.found", TargetOf(host), $"{Found(strange)} on {host.Name}. The portal leaves them alone until somebody adopts them; what they use is counted.");
        }

        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        await db.SaveChangesAsync(ct);
        await HostStanding.FitAsync(db, host.Id, ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, host.Id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    /// <summary>Whether a domain with the portal's metadata stays though no VM has its id: left by an operation that broke off, or another portal's.</summary>
    private async Task<bool> IsLeftAsync(PortalDbContext db, IHypervisor hypervisor, HostEndpoint host, Domain domain, CancellationToken ct)
    {
        var (id, name) = (domain.Definition.Id, domain.Definition.Name);
        if (await db.VirtualMachines.AnyAsync(v => v.Id == id, ct) || await hypervisor.FindAsync(host, id, ct) is not { Reached: true, Domain: not null })
        {
            return false;
        }

        var made = await db.Operations.AsNoTracking().Where(o => o.TargetId == id && o.TargetKind == "vm").OrderByDescending(o => o.CreatedAt).FirstOrDefaultAsync(ct);
        var (@event, sentence) = made switch
        {
            null => ("machine.other_portal", $"'{name}' on {host.Name} was made by a portal, but not by this one as it is now: by another, or before a restore. It is left alone until somebody adopts it."),
            { HasEnded: false } => ("", ""),
            _ => ("machine.left_behind", $"'{name}' was left on {host.Name} by '{made.Title}', which has ended; the portal has no such virtual machine any more. Adopt it, or remove it on the host."),
        };
        if (@event.Length > 0)
        {
            audit.Add(db, Person.Portal, @event, TargetOf(host), sentence, AuditSeverity.Alarm);
        }

        return @event.Length > 0;
    }

    private ForeignMachine New(HostEndpoint host, Domain domain) => new()
    {
        HostId = host.Id,
        Id = domain.Definition.Id,
        Name = domain.Definition.Name,
        Cpus = domain.Definition.Cpus,
        Memory = domain.Definition.Memory,
        Status = MachineNotes.StatusOf(domain.State),
        FirstSeenAt = time.GetUtcNow(),
    };

    private static void Take(ForeignMachine row, Domain domain)
    {
        var said = domain.Definition;
        (row.Name, row.Cpus, row.Memory, row.Status) = (said.Name, said.Cpus, said.Memory, MachineNotes.StatusOf(domain.State));
        (row.HasMetadata, row.TrustLevel) = (domain.IsOurs, said.TrustLevel);
    }

    private static string Found(List<string> names)
    {
        var shown = string.Join(", ", names.Take(MostNamed).Select(n => $"'{n}'"));
        var more = names.Count > MostNamed ? $" and {names.Count - MostNamed} more" : "";
        return names.Count == 1 ? $"Found a virtual machine that is not the portal's, {shown}," : $"Found {names.Count} virtual machines that are not the portal's, {shown}{more},";
    }

    private static AuditTarget TargetOf(HostEndpoint host) => new("host", host.Id, host.Name);
}
