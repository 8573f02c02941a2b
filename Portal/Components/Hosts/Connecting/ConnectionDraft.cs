using Portal.Core.Virtualization.Connecting;

namespace Portal.Components.Hosts.Connecting;

/// <summary>The way to a host's libvirt as it is being typed.</summary>
public sealed class ConnectionDraft
{
    public string LibvirtUri { get; set; } = "qemu+tls://";

    public string Authority { get; set; } = "";

    public string SshHostKey { get; set; } = "";

    public string Certificate { get; set; } = "";

    /// <summary>Empty again as soon as it was given to the core.</summary>
    public string PrivateKey { get; set; } = "";

    public bool IsTls => LibvirtUri.TrimStart().StartsWith("qemu+tls:", StringComparison.OrdinalIgnoreCase);

    public bool IsSsh => LibvirtUri.TrimStart().StartsWith("qemu+ssh:", StringComparison.OrdinalIgnoreCase);

    public ConnectionWords Words => new(LibvirtUri.Trim(), IsTls ? Authority.Trim() : "", IsSsh ? SshHostKey.Trim() : "");

    /// <summary>What signs in; null when nothing was typed.</summary>
    public HypervisorSignIn? SignIn => (!IsTls && !IsSsh) || (Certificate.Trim().Length == 0 && PrivateKey.Trim().Length == 0) ? null : new HypervisorSignIn(IsTls ? Certificate.Trim() : "", PrivateKey.Trim() + "\n");

    public static ConnectionDraft Of(ConnectionWords words) => new() { LibvirtUri = words.LibvirtUri.Length > 0 ? words.LibvirtUri : "qemu+tls://", Authority = words.Authority, SshHostKey = words.SshHostKey };
}
