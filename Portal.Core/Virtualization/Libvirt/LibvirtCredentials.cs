using System.Globalization;
using System.Text;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>
/// Hands libvirt the keys it wants as files, for as long as it opens a connection: in a folder only this process's user may enter, in memory where the
/// machine has such a file system.
/// </summary>
internal sealed class LibvirtCredentials : IDisposable
{
    private const string Prefix = "portal-libvirt-";

    private const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string? folder;

    private LibvirtCredentials(string uri, string? folder) => (Uri, this.folder) = (uri, folder);

    /// <summary>The URI to open.</summary>
    public string Uri { get; }

    /// <summary>Why the address cannot be used with what is kept for it, in a sentence; null when it can.</summary>
    public static string? Lacking(LibvirtAddress address, HypervisorCredentials known) => address.Transport switch
    {
        LibvirtTransport.Tls when known.Authority.Length == 0 => "No authority is pinned for it: give the certificate that issued the host's.",
        LibvirtTransport.Tls when known.ClientCertificate.Length == 0 || known.PrivateKey.Length == 0 => "The portal has no certificate and key to sign in to it with.",
        LibvirtTransport.Ssh when known.SshHostKey.Length == 0 => "Its SSH host key is not pinned.",
        LibvirtTransport.Ssh when known.PrivateKey.Length == 0 => "The portal has no SSH key to sign in to it with.",
        LibvirtTransport.Tls or LibvirtTransport.Ssh or LibvirtTransport.Local or LibvirtTransport.Tcp or LibvirtTransport.Unix or LibvirtTransport.Test => null,
    };

    /// <summary>Lays the files down.</summary>
    public static LibvirtCredentials Lay(LibvirtAddress address, HypervisorCredentials known) => address.Transport switch
    {
        LibvirtTransport.Tls => LayTls(address, known),
        LibvirtTransport.Ssh => LaySsh(address, known),
        LibvirtTransport.Local or LibvirtTransport.Tcp or LibvirtTransport.Unix or LibvirtTransport.Test => new LibvirtCredentials(address.For([]), null),
    };

    /// <summary>Takes the files away again.</summary>
    public void Dispose()
    {
        if (folder is not null)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Removes what a process that was killed left behind.</summary>
    public static void Sweep()
    {
        foreach (var left in Directory.EnumerateDirectories(Root(), Prefix + "*"))
        {
            var owner = Path.GetFileName(left)[Prefix.Length..].Split('-')[0];
            if (int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var process) && !Directory.Exists($"/proc/{process}"))
            {
                try
                {
                    Directory.Delete(left, recursive: true);
                }
                catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
                {
                    // Another user's, or somebody sweeps too.
                }
            }
        }
    }

    private static LibvirtCredentials LayTls(LibvirtAddress address, HypervisorCredentials known)
    {
        var made = Folder();
        Write(made, "cacert.pem", known.Authority);
        Write(made, "clientcert.pem", known.ClientCertificate);
        Write(made, "clientkey.pem", known.PrivateKey);
        return new LibvirtCredentials(address.For([new("pkipath", made)]), made);
    }

    private static LibvirtCredentials LaySsh(LibvirtAddress address, HypervisorCredentials known)
    {
        const int Ssh = 22;
        var made = Folder();
        var name = address.Port is { } port and not Ssh ? string.Create(CultureInfo.InvariantCulture, $"[{address.Host}]:{port}") : address.Host;
        // Type and key, nothing else: another line would pin another key.
        var key = known.SshHostKey.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Write(made, "known_hosts", $"{name} {string.Join(' ', key.Take(2))}\n");
        Write(made, "key", known.PrivateKey);
        return new LibvirtCredentials(
            address.For([
                new("known_hosts", Path.Combine(made, "known_hosts")),
                new("known_hosts_verify", "normal"),
                new("keyfile", Path.Combine(made, "key")),
                new("sshauth", "privkey"),
                new("no_tty", "1"),
            ]),
            made);
    }

    private static string Root() => Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    private static string Folder()
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Private folders need a Unix file system.");
        }

        var made = Path.Combine(Root(), string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-{Guid.NewGuid():N}"));
        Directory.CreateDirectory(made, Mine | UnixFileMode.UserExecute);
        return made;
    }

    private static void Write(string place, string name, string content)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = Mine;
        }

        using var file = new FileStream(Path.Combine(place, name), options);
        file.Write(Encoding.UTF8.GetBytes(content.EndsWith('\n') ? content : content + "\n"));
    }
}
