using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Storage;

/// <summary>The portal's database: the truth. A derived context per provider carries that provider's conversions and migrations.</summary>
/// <param name="options">Options of the derived context.</param>
public abstract class PortalDbContext(DbContextOptions options) : DbContext(options), IDataProtectionKeyContext
{
    /// <summary>Clusters.</summary>
    public DbSet<Cluster> Clusters => Set<Cluster>();

    /// <summary>Looser policies that wait for a second person.</summary>
    public DbSet<PolicyProposal> PolicyProposals => Set<PolicyProposal>();

    /// <summary>Hosts.</summary>
    public DbSet<Host> Hosts => Set<Host>();

    /// <summary>Templates.</summary>
    public DbSet<Template> Templates => Set<Template>();

    /// <summary>VMs.</summary>
    public DbSet<VirtualMachine> VirtualMachines => Set<VirtualMachine>();

    /// <summary>How hosts' libvirt is known.</summary>
    public DbSet<HypervisorConnection> HypervisorConnections => Set<HypervisorConnection>();

    /// <summary>Changes of such that wait for a second person.</summary>
    public DbSet<ConnectionProposal> ConnectionProposals => Set<ConnectionProposal>();

    /// <summary>Storage pools of hosts.</summary>
    public DbSet<HostPool> HostPools => Set<HostPool>();

    /// <summary>VMs on hosts that are not the portal's.</summary>
    public DbSet<ForeignMachine> ForeignMachines => Set<ForeignMachine>();

    /// <summary>Other TPMs proposed for hosts that have one.</summary>
    public DbSet<AttesterReplacement> AttesterReplacements => Set<AttesterReplacement>();

    /// <summary>Reactions to hosts that lost trust.</summary>
    public DbSet<HostReaction> HostReactions => Set<HostReaction>();

    /// <summary>Enrolled attestation keys.</summary>
    public DbSet<Attester> Attesters => Set<Attester>();

    /// <summary>Attesters that registered themselves.</summary>
    public DbSet<RegisteredAttester> RegisteredAttesters => Set<RegisteredAttester>();

    /// <summary>Who accepted which endorsement key.</summary>
    public DbSet<AttesterAcceptance> AttesterAcceptances => Set<AttesterAcceptance>();

    /// <summary>Roots of TPM vendors that people listed.</summary>
    public DbSet<VendorRoot> VendorRoots => Set<VendorRoot>();

    /// <summary>Which hosts somebody expects.</summary>
    public DbSet<EnrolmentTicket> EnrolmentTickets => Set<EnrolmentTicket>();

    /// <summary>SSH host keys that people confirmed.</summary>
    public DbSet<SshHostKey> SshHostKeys => Set<SshHostKey>();

    /// <summary>Our certificate authorities for talking to agents.</summary>
    public DbSet<AuthorityRecord> AgentAuthorities => Set<AuthorityRecord>();

    /// <summary>Current attestation results.</summary>
    public DbSet<HostAttestation> Attestations => Set<HostAttestation>();

    /// <summary>Words of several attestation services on a host.</summary>
    public DbSet<ServiceAttestation> ServiceAttestations => Set<ServiceAttestation>();

    /// <summary>Attestation servers of the site's own.</summary>
    public DbSet<AttestationServer> AttestationServers => Set<AttestationServer>();

    /// <summary>Changes of servers that wait for a second person.</summary>
    public DbSet<ServerProposal> ServerProposals => Set<ServerProposal>();

    /// <summary>What servers call hosts.</summary>
    public DbSet<HostOnServer> HostsOnServers => Set<HostOnServer>();

    /// <summary>Whether servers keep what is approved.</summary>
    public DbSet<Publication> Publications => Set<Publication>();

    /// <summary>What we made servers keep.</summary>
    public DbSet<PublishedPolicy> PublishedPolicies => Set<PublishedPolicy>();

    /// <summary>Transitions of attestation results.</summary>
    public DbSet<AttestationTransition> AttestationTransitions => Set<AttestationTransition>();

    /// <summary>Evidence.</summary>
    public DbSet<EvidenceRecord> Evidence => Set<EvidenceRecord>();

    /// <summary>Event logs, by digest.</summary>
    public DbSet<EventLogRecord> EventLogs => Set<EventLogRecord>();

    /// <summary>How far hosts' measurement lists were found.</summary>
    public DbSet<MeasurementProgress> MeasurementProgress => Set<MeasurementProgress>();

    /// <summary>Hosts' measurement lists, in segments.</summary>
    public DbSet<MeasurementSegment> MeasurementSegments => Set<MeasurementSegment>();

    /// <summary>Baselines.</summary>
    public DbSet<Baseline> Baselines => Set<Baseline>();

    /// <summary>Revisions of baselines.</summary>
    public DbSet<BaselineRevision> BaselineRevisions => Set<BaselineRevision>();

    /// <summary>Who wrote and who approved which revision.</summary>
    public DbSet<RevisionPerson> RevisionPersons => Set<RevisionPerson>();

    /// <summary>Which hosts match which approved revisions now.</summary>
    public DbSet<BaselineMatch> BaselineMatches => Set<BaselineMatch>();

    /// <summary>Operations.</summary>
    public DbSet<Operation> Operations => Set<Operation>();

    /// <summary>Placement decisions.</summary>
    public DbSet<DecisionRecord> Decisions => Set<DecisionRecord>();

    /// <summary>Placement receipts.</summary>
    public DbSet<PlacementReceipt> Receipts => Set<PlacementReceipt>();

    /// <summary>The audit.</summary>
    public DbSet<AuditEntry> AuditEntries => Set<AuditEntry>();

    /// <summary>Sessions whose people signed out before their time.</summary>
    public DbSet<EndedSession> EndedSessions => Set<EndedSession>();

    /// <summary>Facts about this database itself, such as the profile that opened it first.</summary>
    public DbSet<DatabaseStamp> Stamps => Set<DatabaseStamp>();

    /// <summary>Data Protection keys, shared by replicas.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <summary>Names of attestation servers by id, for sentences: a room below attestation may name a server, and knows nothing else of it.</summary>
    public Task<Dictionary<Guid, string>> ServerNamesAsync(CancellationToken ct) => AttestationServers.AsNoTracking().ToDictionaryAsync(s => s.Id, s => s.Name, ct);

    /// <inheritdoc/>
    protected override void OnModelCreating(ModelBuilder modelBuilder) =>
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(PortalDbContext).Assembly);
}

/// <summary>A fact about the database itself.</summary>
public sealed class DatabaseStamp
{
    /// <summary>What, for example <c>profile</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Its value, for example <c>Demo</c>.</summary>
    public required string Value { get; set; }
}
