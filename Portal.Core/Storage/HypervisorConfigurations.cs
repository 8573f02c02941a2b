using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;

namespace Portal.Core.Storage;

internal sealed class HypervisorConnectionConfiguration : IEntityTypeConfiguration<HypervisorConnection>
{
    public void Configure(EntityTypeBuilder<HypervisorConnection> builder)
    {
        builder.HasKey(c => c.HostId);
        builder.Property(c => c.Version).IsConcurrencyToken();
        builder.HasOne<Host>().WithOne().HasForeignKey<HypervisorConnection>(c => c.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class ConnectionProposalConfiguration : IEntityTypeConfiguration<ConnectionProposal>
{
    public void Configure(EntityTypeBuilder<ConnectionProposal> builder)
    {
        builder.HasIndex(p => p.HostId).IsUnique();
        builder.HasOne<Host>().WithMany().HasForeignKey(p => p.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class HostPoolConfiguration : IEntityTypeConfiguration<HostPool>
{
    public void Configure(EntityTypeBuilder<HostPool> builder)
    {
        builder.HasKey(p => new { p.HostId, p.Name });
        builder.HasOne<Host>().WithMany().HasForeignKey(p => p.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class ForeignMachineConfiguration : IEntityTypeConfiguration<ForeignMachine>
{
    public void Configure(EntityTypeBuilder<ForeignMachine> builder)
    {
        builder.HasKey(m => new { m.HostId, m.Id });
        builder.HasOne<Host>().WithMany().HasForeignKey(m => m.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class HostReactionConfiguration : IEntityTypeConfiguration<HostReaction>
{
    public void Configure(EntityTypeBuilder<HostReaction> builder)
    {
        builder.HasKey(r => r.HostId);
        builder.HasIndex(r => r.State);
        builder.HasOne<Host>().WithOne().HasForeignKey<HostReaction>(r => r.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class AttesterReplacementConfiguration : IEntityTypeConfiguration<AttesterReplacement>
{
    public void Configure(EntityTypeBuilder<AttesterReplacement> builder)
    {
        builder.HasIndex(r => r.HostId).IsUnique();
        builder.HasOne<Host>().WithMany().HasForeignKey(r => r.HostId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<RegisteredAttester>().WithMany().HasForeignKey(r => r.RegistrationId).OnDelete(DeleteBehavior.Cascade);
    }
}
