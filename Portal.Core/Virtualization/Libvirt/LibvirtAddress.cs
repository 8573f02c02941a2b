using System.Globalization;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>How the portal gets to a libvirt.</summary>
public enum LibvirtTransport
{
    /// <summary>TLS with client certificates: <c>qemu+tls://host/system</c>.</summary>
    Tls,

    /// <summary>SSH with a key: <c>qemu+ssh://user@host/system</c>.</summary>
    Ssh,

    /// <summary>The system daemon of the portal's own machine: <c>qemu:///system</c>.</summary>
    Local,

    /// <summary>Plain TCP; labs only.</summary>
    Tcp,

    /// <summary>A named socket or a session's daemon on the portal's own machine; labs only.</summary>
    Unix,

    /// <summary>libvirt's test driver; labs only.</summary>
    Test,
}

/// <summary>
/// The address of a host's libvirt, checked. What people type is a scheme, a host and a path, nothing more: libvirt's URIs carry switches that turn
/// verification off or run programs, and none of them is let through. Source: https://libvirt.org/uri.html.
/// </summary>
/// <param name="Transport">How to get there.</param>
/// <param name="User">SSH user; empty for libvirt's default, root.</param>
/// <param name="Host">Name or address; empty on the portal's own machine. IPv6 without brackets.</param>
/// <param name="Port">Port; null for the transport's own.</param>
/// <param name="Path"><c>/system</c> or <c>/session</c>; the node's file for the test driver.</param>
/// <param name="Socket">Absolute path of a socket; labs only.</param>
/// <param name="Mode">libvirt's mode of connecting; labs only.</param>
public sealed record LibvirtAddress(LibvirtTransport Transport, string User, string Host, int? Port, string Path, string Socket = "", string Mode = "")
{
    /// <summary>The field's name in the REST API.</summary>
    public const string Field = "libvirt_uri";

    private const int Longest = 500;

    private const string Example = "Write it like qemu+tls://kvm-01.example.com/system, qemu+ssh://portal@kvm-01.example.com/system or qemu:///system.";

    /// <summary>Whether nothing protects the connection.</summary>
    public bool IsUnprotected => Transport is LibvirtTransport.Tcp or LibvirtTransport.Unix or LibvirtTransport.Test;

    /// <summary>Whether it needs a pinned authority and our certificate and key.</summary>
    public bool NeedsCertificates => Transport == LibvirtTransport.Tls;

    /// <summary>Whether it needs a pinned host key and our key.</summary>
    public bool NeedsHostKey => Transport == LibvirtTransport.Ssh;

    /// <summary>Reads and checks what somebody typed.</summary>
    /// <param name="uri">The URI.</param>
    /// <param name="allowsUnprotected">Whether this is a lab: <see cref="LibvirtOptions.AllowsUnprotected"/>.</param>
    public static Outcome<LibvirtAddress> Parse(string? uri, bool allowsUnprotected)
    {
        if (string.IsNullOrWhiteSpace(uri) || uri.Length > Longest || !Printable(uri) || !Uri.TryCreate(uri, UriKind.Absolute, out var parsed))
        {
            return Invalid("This is not a libvirt URI.");
        }

        if (Transports(parsed) is not { } transport)
        {
            return Invalid($"libvirt addresses of the kind '{parsed.Scheme}' are not taken.");
        }

        var address = new LibvirtAddress(transport, Uri.UnescapeDataString(parsed.UserInfo), parsed.IdnHost, parsed.IsDefaultPort || parsed.Port < 0 ? null : parsed.Port, parsed.AbsolutePath);
        return address.IsUnprotected && !allowsUnprotected
            ? Invalid("Nothing protects this connection: it is taken in Demo labs only.")
            : address.Checked(parsed, allowsUnprotected);
    }

    /// <summary>The URI as people write it.</summary>
    public override string ToString() => Write(Transport == LibvirtTransport.Ssh ? "qemu+ssh" : Scheme, Labs);

    /// <summary>The URI for libvirt on this machine, with what it needs to know besides.</summary>
    internal string For(IEnumerable<KeyValuePair<string, string>> parameters) => Write(Scheme, [.. Labs, .. parameters]);

    private string Scheme => Transport switch
    {
        LibvirtTransport.Tls => "qemu+tls",
        LibvirtTransport.Ssh => "qemu+libssh",
        LibvirtTransport.Tcp => "qemu+tcp",
        LibvirtTransport.Local => "qemu",
        LibvirtTransport.Unix => Socket.Length > 0 ? "qemu+unix" : "qemu",
        LibvirtTransport.Test => "test",
    };

    private IEnumerable<KeyValuePair<string, string>> Labs => new[] { KeyValuePair.Create("socket", Socket), KeyValuePair.Create("mode", Mode) }.Where(p => p.Value.Length > 0);

    private static LibvirtTransport? Transports(Uri uri) => uri.Scheme.ToLowerInvariant() switch
    {
        "qemu+tls" => LibvirtTransport.Tls,
        "qemu+ssh" => LibvirtTransport.Ssh,
        "qemu+tcp" => LibvirtTransport.Tcp,
        "qemu+unix" => LibvirtTransport.Unix,
        "qemu" when uri.Host.Length == 0 => uri.AbsolutePath == "/system" && uri.Query.Length == 0 ? LibvirtTransport.Local : LibvirtTransport.Unix,
        "test" when uri.Host.Length == 0 => LibvirtTransport.Test,
        _ => null,
    };

    private static bool Printable(string uri) => uri.All(c => c is > ' ' and < (char)127) && !uri.Contains('\\', StringComparison.Ordinal) && !uri.Contains('#', StringComparison.Ordinal);

    private Outcome<LibvirtAddress> Checked(Uri uri, bool isLab)
    {
        var remote = Transport is LibvirtTransport.Tls or LibvirtTransport.Ssh or LibvirtTransport.Tcp;
        if (remote && (Host.Length == 0 || Uri.CheckHostName(Host) == UriHostNameType.Unknown))
        {
            return Invalid("The libvirt URI names no host.");
        }

        if (!remote && Host.Length > 0)
        {
            return Invalid("A socket is on the portal's own machine: the libvirt URI may name no host.");
        }

        if (User.Length > 0 && (Transport != LibvirtTransport.Ssh || User[0] == '-' || !User.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')))
        {
            return Invalid("Only qemu+ssh takes a user, and never a password: keys are given apart.");
        }

        if (Transport != LibvirtTransport.Test && Path is not ("/system" or "/session"))
        {
            return Invalid("The libvirt URI must end in /system.");
        }

        return Path == "/session" && !isLab ? Invalid("A session's daemon runs a user's own VMs: the libvirt URI must end in /system.") : WithQuery(uri.Query);
    }

    private Outcome<LibvirtAddress> WithQuery(string query)
    {
        var address = this;
        foreach (var pair in query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var cut = pair.IndexOf('=', StringComparison.Ordinal);
            var (name, value) = cut < 0 ? (pair, "") : (pair[..cut], Uri.UnescapeDataString(pair[(cut + 1)..]));
            if (Transport == LibvirtTransport.Unix && name == "socket" && value.StartsWith('/') && value.All(c => !char.IsControl(c)))
            {
                address = address with { Socket = value };
            }
            else if (Transport == LibvirtTransport.Unix && name == "mode" && value is "auto" or "legacy" or "direct")
            {
                address = address with { Mode = value };
            }
            else
            {
                return Invalid("A libvirt URI takes no parameters here: keys, certificates and host keys are given apart, and verification cannot be turned off.");
            }
        }

        return address;
    }

    private string Write(string scheme, IEnumerable<KeyValuePair<string, string>> parameters)
    {
        var host = Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        var port = Port is { } number ? string.Create(CultureInfo.InvariantCulture, $":{number}") : "";
        var user = User.Length > 0 ? $"{User}@" : "";
        var query = string.Join('&', parameters.Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value)}"));
        return $"{scheme}://{user}{host}{port}{Path}{(query.Length > 0 ? "?" : "")}{query}";
    }

    private static Refusal Invalid(string sentence) => Refusal.Invalid("host.libvirt_uri.invalid", Field, sentence, Example);
}
