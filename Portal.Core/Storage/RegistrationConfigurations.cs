using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;

namespace Portal.Core.Storage;

internal sealed class RegisteredAttesterConfiguration : IEntityTypeConfiguration<RegisteredAttester>
{
    public void Configure(EntityTypeBuilder<RegisteredAttester> builder)
    {
        // One TPM with one key is one row, whatever it calls itself.
        builder.HasIndex(r => new { r.EndorsementHash, r.KeyName }).IsUnique();
        builder.HasIndex(r => r.AgentId);
        builder.HasIndex(r => r.HostId);
        builder.HasIndex(r => new { r.Status, r.LastSeenAt });
        builder.Property(r => r.Status).IsConcurrencyToken();
        builder.HasOne<Host>().WithMany().HasForeignKey(r => r.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class AttesterAcceptanceConfiguration : IEntityTypeConfiguration<AttesterAcceptance>
{
    public void Configure(EntityTypeBuilder<AttesterAcceptance> builder)
    {
        // The key is the rule of two people: nobody counts twice.
        builder.HasKey(a => new { a.RegistrationId, a.Issuer, a.Subject });
        builder.HasOne<RegisteredAttester>().WithMany().HasForeignKey(a => a.RegistrationId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class VendorRootConfiguration : IEntityTypeConfiguration<VendorRoot>
{
    public void Configure(EntityTypeBuilder<VendorRoot> builder)
    {
        builder.HasIndex(r => r.Fingerprint).IsUnique();
        builder.Ignore(r => r.Counts);
    }
}

internal sealed class EnrolmentTicketConfiguration : IEntityTypeConfiguration<EnrolmentTicket>
{
    public void Configure(EntityTypeBuilder<EnrolmentTicket> builder)
    {
        builder.HasIndex(t => t.TicketHash).IsUnique();
        builder.HasIndex(t => t.EndorsementHash);
        builder.HasOne<Cluster>().WithMany().HasForeignKey(t => t.ClusterId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class SshHostKeyConfiguration : IEntityTypeConfiguration<SshHostKey>
{
    public void Configure(EntityTypeBuilder<SshHostKey> builder) => builder.HasKey(k => new { k.Address, k.Port });
}
