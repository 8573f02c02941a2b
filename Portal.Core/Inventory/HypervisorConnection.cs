namespace Portal.Core.Inventory;

/// <summary>How a host's libvirt is known and signed in to; one row per host that has one. A change of any of it but our own credentials takes two people: whoever answers there runs the VMs.</summary>
public sealed class HypervisorConnection
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The certificates that may have issued the host's, PEM; no other is accepted. For <c>qemu+tls</c>.</summary>
    public string Authority { get; set; } = "";

    /// <summary>Our certificate for it and its chain, PEM; not secret. For <c>qemu+tls</c>.</summary>
    public string ClientCertificate { get; set; } = "";

    /// <summary>The host's SSH key as <c>known_hosts</c> writes it, type and base64; no other is talked to. For <c>qemu+ssh</c>.</summary>
    public string SshHostKey { get; set; } = "";

    /// <summary>Our private key, TLS or SSH, protected by the portal's data protection keys. Written, never shown.</summary>
    public byte[]? ProtectedKey { get; set; }

    /// <summary>Raised by every change: a connection made under another is not used any more.</summary>
    public long Version { get; set; } = 1;
}

/// <summary>Another address, authority or host key of a host's libvirt, proposed by one person and waiting for another.</summary>
public sealed class ConnectionProposal
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The host; at most one proposal waits per host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The version it was written against; a proposal against another is void.</summary>
    public required long AgainstVersion { get; init; }

    /// <summary>The proposed URI.</summary>
    public required string LibvirtUri { get; init; }

    /// <summary>The proposed authority, PEM; empty for none.</summary>
    public required string Authority { get; init; }

    /// <summary>The proposed SSH host key; empty for none.</summary>
    public required string SshHostKey { get; init; }

    /// <summary>Who proposed it: issuer.</summary>
    public required string Issuer { get; init; }

    /// <summary>Who proposed it: subject.</summary>
    public required string Subject { get; init; }

    /// <summary>Who proposed it: name.</summary>
    public required string PersonName { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>A storage pool as a host described it last.</summary>
public sealed class HostPool
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The pool's name.</summary>
    public required string Name { get; init; }

    /// <summary>The hypervisor's word for its kind.</summary>
    public required string Kind { get; set; }

    /// <summary>Whether other hosts see the same volumes.</summary>
    public required bool IsShared { get; set; }

    /// <summary>Bytes.</summary>
    public required long Capacity { get; set; }

    /// <summary>Bytes.</summary>
    public required long Available { get; set; }

    /// <summary>Names of volumes a template may be made of, as JSON.</summary>
    public string Volumes { get; set; } = "[]";
}

/// <summary>A VM found on a host that is not the portal's: shown, never touched, until somebody adopts it. Its capacity counts as used.</summary>
public sealed class ForeignMachine
{
    /// <summary>Where it is.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The hypervisor's UUID of it.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its name there.</summary>
    public required string Name { get; set; }

    /// <summary>Virtual CPUs.</summary>
    public required int Cpus { get; set; }

    /// <summary>Memory in bytes.</summary>
    public required long Memory { get; set; }

    /// <summary>What it is doing.</summary>
    public required VirtualMachineStatus Status { get; set; }

    /// <summary>Whether it carries a portal's metadata though this portal has no row of it: made by another portal, or before a restore.</summary>
    public bool HasMetadata { get; set; }

    /// <summary>The trust level its metadata claims.</summary>
    public TrustLevel TrustLevel { get; set; }

    /// <summary>When it was seen first.</summary>
    public required DateTimeOffset FirstSeenAt { get; init; }
}
