using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Core.Storage;

internal sealed class ServiceAttestationConfiguration : IEntityTypeConfiguration<ServiceAttestation>
{
    public void Configure(EntityTypeBuilder<ServiceAttestation> builder)
    {
        builder.ToTable("ServiceAttestations");
        builder.HasKey(a => new { a.HostId, a.ServiceId });
        builder.HasOne<Host>().WithMany().HasForeignKey(a => a.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class AttestationServerConfiguration : IEntityTypeConfiguration<AttestationServer>
{
    public void Configure(EntityTypeBuilder<AttestationServer> builder)
    {
        builder.HasIndex(s => s.Name).IsUnique();
        builder.Property(s => s.Version).IsConcurrencyToken();
        builder.Ignore(s => s.Endpoint);
    }
}

internal sealed class ServerProposalConfiguration : IEntityTypeConfiguration<ServerProposal>
{
    public void Configure(EntityTypeBuilder<ServerProposal> builder)
    {
        builder.HasIndex(p => p.ServerId).IsUnique();
        builder.HasOne<AttestationServer>().WithMany().HasForeignKey(p => p.ServerId).OnDelete(DeleteBehavior.Cascade);
        builder.Ignore(p => p.Endpoint);
    }
}

internal sealed class HostOnServerConfiguration : IEntityTypeConfiguration<HostOnServer>
{
    public void Configure(EntityTypeBuilder<HostOnServer> builder)
    {
        builder.ToTable("HostsOnServers");
        builder.HasKey(h => new { h.ServerId, h.HostId });
        builder.HasIndex(h => new { h.ServerId, h.Name }).IsUnique();
        builder.HasOne<AttestationServer>().WithMany().HasForeignKey(h => h.ServerId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Host>().WithMany().HasForeignKey(h => h.HostId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class PublicationConfiguration : IEntityTypeConfiguration<Publication>
{
    public void Configure(EntityTypeBuilder<Publication> builder)
    {
        builder.HasKey(p => new { p.ClusterId, p.ServerId });
        builder.HasOne<AttestationServer>().WithMany().HasForeignKey(p => p.ServerId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Cluster>().WithMany().HasForeignKey(p => p.ClusterId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class PublishedPolicyConfiguration : IEntityTypeConfiguration<PublishedPolicy>
{
    public void Configure(EntityTypeBuilder<PublishedPolicy> builder)
    {
        builder.HasKey(p => new { p.ServerId, p.Key });
        builder.HasIndex(p => p.ClusterId);
        builder.HasOne<AttestationServer>().WithMany().HasForeignKey(p => p.ServerId).OnDelete(DeleteBehavior.Cascade);
    }
}
