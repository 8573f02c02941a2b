using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>Where the agent of an enrolled host listens, and the one certificate it is known by.</summary>
/// <param name="Address">Name or address.</param>
/// <param name="Port">Port.</param>
/// <param name="Certificate">Its server certificate, DER.</param>
public sealed record AgentContact(string Address, int Port, ReadOnlyMemory<byte> Certificate);

/// <summary>Contacts of all enrolled agents in memory; follows the change feed.</summary>
public sealed class AgentContacts : IDisposable
{
    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly IDisposable subscription;
    private readonly SemaphoreSlim loading = new(1, 1);
    private ConcurrentDictionary<Guid, AgentContact> contacts = new();
    private int dirty = 1;

    /// <summary>Contacts that are read at first use.</summary>
    public AgentContacts(IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed)
    {
        this.contexts = contexts;
        subscription = feed.Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.Attester)
            {
                Volatile.Write(ref dirty, 1);
            }
        });
    }

    /// <summary>Whether the host's agent registered itself.</summary>
    public bool Has(Guid hostId)
    {
        if (Volatile.Read(ref dirty) != 0)
        {
            Load();
        }

        return contacts.ContainsKey(hostId);
    }

    /// <summary>The contact of a host; null when its agent did not register itself.</summary>
    public AgentContact? Of(Guid hostId) => Has(hostId) ? contacts.GetValueOrDefault(hostId) : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        subscription.Dispose();
        loading.Dispose();
    }

    private void Load()
    {
        loading.Wait();
        try
        {
            if (Interlocked.Exchange(ref dirty, 0) == 0)
            {
                return;
            }

            using var db = contexts.CreateDbContext();
            var rows = db.RegisteredAttesters.AsNoTracking()
                .Where(r => r.Status == RegistrationStatus.Enrolled && r.HostId != null)
                .Select(r => new { HostId = r.HostId!.Value, r.Address, r.Port, r.ServerCertificate });
            var next = new ConcurrentDictionary<Guid, AgentContact>();
            foreach (var row in rows.Where(r => r.ServerCertificate != null && r.Address != "" && r.Port != 0))
            {
                next[row.HostId] = new AgentContact(row.Address, row.Port, row.ServerCertificate!);
            }

            Volatile.Write(ref contacts, next);
        }
        catch
        {
            Volatile.Write(ref dirty, 1);
            throw;
        }
        finally
        {
            loading.Release();
        }
    }
}
