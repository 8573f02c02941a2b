using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Storage;

internal sealed class ClusterConfiguration : IEntityTypeConfiguration<Cluster>
{
    public void Configure(EntityTypeBuilder<Cluster> builder)
    {
        builder.HasIndex(c => c.Name).IsUnique();
        builder.Property(c => c.PolicyRevision).IsConcurrencyToken();
        builder.Property(c => c.RequiredKinds);
        builder.Property(c => c.LifetimeSeconds);
        builder.Property(c => c.IntervalSeconds);
        builder.Property(c => c.MaxAgeAtStartSeconds);
        builder.Property(c => c.ForgetAfterSeconds);
        builder.Property(c => c.Services);
        builder.Property(c => c.ReactionText);
        builder.Property(c => c.MigrationText);
        builder.Ignore(c => c.Policy).Ignore(c => c.Reaction).Ignore(c => c.Migration);
    }
}

internal sealed class PolicyProposalConfiguration : IEntityTypeConfiguration<PolicyProposal>
{
    public void Configure(EntityTypeBuilder<PolicyProposal> builder)
    {
        builder.HasIndex(p => p.ClusterId).IsUnique();
        builder.HasOne<Cluster>().WithMany().HasForeignKey(p => p.ClusterId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class HostConfiguration : IEntityTypeConfiguration<Host>
{
    public void Configure(EntityTypeBuilder<Host> builder)
    {
        builder.HasIndex(h => h.Name).IsUnique();
        builder.HasIndex(h => new { h.ClusterId, h.Name });
        builder.HasOne<Cluster>().WithMany().HasForeignKey(h => h.ClusterId).OnDelete(DeleteBehavior.Restrict);
        builder.ComplexProperty(h => h.Hardware);
        builder.Ignore(h => h.MemoryFree).Ignore(h => h.CpusFree).Ignore(h => h.Endpoint);
        builder.ToTable("Hosts", table =>
        {
            table.HasCheckConstraint("CK_Hosts_Memory", "\"MemoryClaimed\" >= 0 AND \"MemoryClaimed\" <= \"Memory\"");
            table.HasCheckConstraint("CK_Hosts_Cpus", $"\"CpusClaimed\" >= 0 AND \"CpusClaimed\" <= \"Cpus\" * {Host.CpuOvercommit}");
        });
    }
}

internal sealed class TemplateConfiguration : IEntityTypeConfiguration<Template>
{
    public void Configure(EntityTypeBuilder<Template> builder)
    {
        builder.HasIndex(t => t.Name).IsUnique();
        builder.Property(t => t.Id).ValueGeneratedNever();
    }
}

internal sealed class VirtualMachineConfiguration : IEntityTypeConfiguration<VirtualMachine>
{
    public void Configure(EntityTypeBuilder<VirtualMachine> builder)
    {
        builder.HasIndex(v => v.Name).IsUnique();
        builder.HasIndex(v => v.HostId);
        builder.HasIndex(v => v.TargetHostId);
        builder.HasIndex(v => v.ClusterId);
        builder.Property(v => v.Priority).HasDefaultValue(50).HasSentinel(-1);
        builder.HasOne<Cluster>().WithMany().HasForeignKey(v => v.ClusterId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Host>().WithMany().HasForeignKey(v => v.HostId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Host>().WithMany().HasForeignKey(v => v.TargetHostId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Template>().WithMany().HasForeignKey(v => v.TemplateId).OnDelete(DeleteBehavior.Restrict);
        builder.Ignore(v => v.IsRunning);
    }
}

internal sealed class AttesterConfiguration : IEntityTypeConfiguration<Attester>
{
    public void Configure(EntityTypeBuilder<Attester> builder)
    {
        builder.HasKey(a => a.HostId);
        builder.HasIndex(a => a.KeyName);
        builder.HasOne<Host>().WithOne().HasForeignKey<Attester>(a => a.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class HostAttestationConfiguration : IEntityTypeConfiguration<HostAttestation>
{
    public void Configure(EntityTypeBuilder<HostAttestation> builder)
    {
        builder.ToTable("Attestations");
        builder.HasKey(a => a.HostId);
        builder.HasIndex(a => new { a.Verdict, a.ValidUntil });
        builder.HasOne<Host>().WithOne().HasForeignKey<HostAttestation>(a => a.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class AttestationTransitionConfiguration : IEntityTypeConfiguration<AttestationTransition>
{
    public void Configure(EntityTypeBuilder<AttestationTransition> builder)
    {
        builder.HasIndex(t => new { t.HostId, t.At });
        builder.HasOne<Host>().WithMany().HasForeignKey(t => t.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class EvidenceConfiguration : IEntityTypeConfiguration<EvidenceRecord>
{
    public void Configure(EntityTypeBuilder<EvidenceRecord> builder)
    {
        builder.ToTable("Evidence");
        builder.Property(e => e.Id).ValueGeneratedNever();
        builder.HasIndex(e => e.HostId);
        builder.HasIndex(e => e.Digest);
        builder.HasOne<Host>().WithMany().HasForeignKey(e => e.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class EventLogConfiguration : IEntityTypeConfiguration<EventLogRecord>
{
    public void Configure(EntityTypeBuilder<EventLogRecord> builder)
    {
        builder.ToTable("EventLogs");
        builder.HasKey(l => l.Digest);
    }
}

internal sealed class MeasurementProgressConfiguration : IEntityTypeConfiguration<MeasurementProgress>
{
    public void Configure(EntityTypeBuilder<MeasurementProgress> builder)
    {
        builder.HasKey(p => p.HostId);
        builder.HasOne<Host>().WithOne().HasForeignKey<MeasurementProgress>(p => p.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class MeasurementSegmentConfiguration : IEntityTypeConfiguration<MeasurementSegment>
{
    public void Configure(EntityTypeBuilder<MeasurementSegment> builder)
    {
        builder.HasKey(s => new { s.HostId, s.Start });
        builder.HasOne<Host>().WithMany().HasForeignKey(s => s.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class BaselineConfiguration : IEntityTypeConfiguration<Baseline>
{
    public void Configure(EntityTypeBuilder<Baseline> builder) => builder.HasIndex(b => b.Name).IsUnique();
}

internal sealed class BaselineRevisionConfiguration : IEntityTypeConfiguration<BaselineRevision>
{
    public void Configure(EntityTypeBuilder<BaselineRevision> builder)
    {
        builder.HasIndex(r => new { r.BaselineId, r.Number }).IsUnique();
        builder.HasIndex(r => r.State);
        // One revision that can still be edited per baseline: draft, in review, rejected (RevisionStates.IsOpen).
        builder.HasIndex(r => r.BaselineId, "IX_BaselineRevisions_Open").IsUnique().HasFilter("\"State\" IN (0, 1, 3)");
        builder.Property(r => r.Version).IsConcurrencyToken();
        builder.HasOne<Baseline>().WithMany().HasForeignKey(r => r.BaselineId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class RevisionPersonConfiguration : IEntityTypeConfiguration<RevisionPerson>
{
    public void Configure(EntityTypeBuilder<RevisionPerson> builder)
    {
        // The key is the four-eyes rule: one row per person, so nobody is both author and approver.
        builder.HasKey(p => new { p.RevisionId, p.Issuer, p.Subject });
        builder.HasOne<BaselineRevision>().WithMany().HasForeignKey(p => p.RevisionId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class BaselineMatchConfiguration : IEntityTypeConfiguration<BaselineMatch>
{
    public void Configure(EntityTypeBuilder<BaselineMatch> builder)
    {
        builder.HasKey(m => new { m.HostId, m.RevisionId });
        builder.HasIndex(m => m.RevisionId);
        builder.HasOne<Host>().WithMany().HasForeignKey(m => m.HostId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<BaselineRevision>().WithMany().HasForeignKey(m => m.RevisionId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class OperationConfiguration : IEntityTypeConfiguration<Operation>
{
    public void Configure(EntityTypeBuilder<Operation> builder)
    {
        builder.HasIndex(o => new { o.State, o.CreatedAt });
        builder.HasIndex(o => new { o.TargetId, o.CreatedAt });
        builder.Ignore(o => o.HasEnded);
    }
}

internal sealed class DecisionConfiguration : IEntityTypeConfiguration<DecisionRecord>
{
    public void Configure(EntityTypeBuilder<DecisionRecord> builder)
    {
        builder.ToTable("Decisions");
        builder.HasIndex(d => new { d.VirtualMachineId, d.At });
    }
}

internal sealed class ReceiptConfiguration : IEntityTypeConfiguration<PlacementReceipt>
{
    public void Configure(EntityTypeBuilder<PlacementReceipt> builder)
    {
        builder.ToTable("Receipts");
        builder.HasIndex(r => new { r.VirtualMachineId, r.At });
        builder.HasIndex(r => r.OperationId);
    }
}

internal sealed class AuditEntryConfiguration : IEntityTypeConfiguration<AuditEntry>
{
    public void Configure(EntityTypeBuilder<AuditEntry> builder)
    {
        builder.HasIndex(a => a.At);
        builder.HasIndex(a => new { a.TargetId, a.Id });
        builder.HasIndex(a => a.Severity);
        builder.HasIndex(a => a.Sequence).IsUnique();
    }
}

internal sealed class EndedSessionConfiguration : IEntityTypeConfiguration<EndedSession>
{
    public void Configure(EntityTypeBuilder<EndedSession> builder)
    {
        builder.HasKey(s => s.Id);
        builder.HasIndex(s => s.Ends);
    }
}

internal sealed class DatabaseStampConfiguration : IEntityTypeConfiguration<DatabaseStamp>
{
    public void Configure(EntityTypeBuilder<DatabaseStamp> builder)
    {
        builder.ToTable("Stamps");
        builder.HasKey(s => s.Name);
    }
}
