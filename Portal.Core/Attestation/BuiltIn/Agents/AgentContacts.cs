using System.Collections.Frozen;
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
    private readonly Lock loading = new();
    private volatile FrozenDictionary<Guid, AgentContact> contacts = FrozenDictionary<Guid, AgentContact>.Empty;
    private long changes = 1;
    private long known;

    /// <summary>Contacts that are read at first use.</summary>
    public AgentContacts(IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed)
    {
        this.contexts = contexts;
        subscription = feed.Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.Attester)
            {
                Interlocked.Increment(ref changes);
            }
        });
    }

    /// <summary>Whether the host's agent registered itself.</summary>
    public bool Has(Guid hostId) => Current().ContainsKey(hostId);

    /// <summary>The contact of a host; null when its agent did not register itself.</summary>
    public AgentContact? Of(Guid hostId) => Current().GetValueOrDefault(hostId);

    /// <inheritdoc/>
    public void Dispose() => subscription.Dispose();

    /// <summary>Who asks while it is being read waits for it: what was known before is not an answer.</summary>
    private FrozenDictionary<Guid, AgentContact> Current()
    {
        if (Interlocked.Read(ref known) == Interlocked.Read(ref changes))
        {
            return contacts;
        }

        lock (loading)
        {
            var wanted = Interlocked.Read(ref changes);
            if (Interlocked.Read(ref known) != wanted)
            {
                contacts = Read();
                Interlocked.Exchange(ref known, wanted);
            }

            return contacts;
        }
    }

    private FrozenDictionary<Guid, AgentContact> Read()
    {
        using var db = contexts.CreateDbContext();
        return db.RegisteredAttesters.AsNoTracking()
            .Where(r => r.Status == RegistrationStatus.Enrolled && r.HostId != null && r.ServerCertificate != null && r.Address != "" && r.Port != 0)
            .Select(r => new { HostId = r.HostId!.Value, r.Address, r.Port, r.ServerCertificate })
            .ToFrozenDictionary(r => r.HostId, r => new AgentContact(r.Address, r.Port, r.ServerCertificate!));
    }
}
