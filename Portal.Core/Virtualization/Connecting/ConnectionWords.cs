using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>How a host's libvirt is reached and known. A change of any of it takes two people.</summary>
/// <param name="LibvirtUri">Where it answers.</param>
/// <param name="Authority">For <c>qemu+tls</c>: the certificates that may have issued the host's, PEM; no other is accepted.</param>
/// <param name="SshHostKey">For <c>qemu+ssh</c>: the host's key, type and base64; no other is talked to.</param>
public sealed record ConnectionWords(string LibvirtUri, string Authority = "", string SshHostKey = "");

/// <summary>What signs the portal in to a host's libvirt.</summary>
/// <param name="Certificate">For <c>qemu+tls</c>: our certificate and its chain, PEM; empty otherwise.</param>
/// <param name="PrivateKey">Our key, TLS or SSH, without a passphrase. Secret: kept protected, never given back.</param>
public sealed record HypervisorSignIn(string Certificate, string PrivateKey)
{
    /// <summary>Never tells the key.</summary>
    public override string ToString() => nameof(HypervisorSignIn);
}

/// <summary>What may be said of the way to a host's libvirt.</summary>
/// <param name="options">Whether this is a lab.</param>
public sealed class ConnectionRules(LibvirtOptions options)
{
    /// <summary>Most certificates pinned for a host.</summary>
    public const int MostAuthorities = 8;

    private const int Longest = 64 << 10;

    /// <summary>The address, if it and what it is known by can be used; the first thing wrong otherwise, for example while somebody types.</summary>
    public Outcome<LibvirtAddress> Check(ConnectionWords words)
    {
        var address = LibvirtAddress.Parse(words.LibvirtUri, options.AllowsUnprotected);
        if (!address.Succeeded)
        {
            return address;
        }

        if (address.Value.NeedsCertificates && !IsAuthority(words.Authority))
        {
            return Refusal.Invalid(
                "host.authority", "authority", $"A qemu+tls host is known by its authority: 1 to {MostAuthorities} certificates in PEM, those that issued the host's.", "Paste the text from BEGIN CERTIFICATE to END CERTIFICATE, for example of /etc/pki/CA/cacert.pem.");
        }

        return address.Value.NeedsHostKey && !IsHostKey(words.SshHostKey)
            ? Refusal.Invalid(
                "host.ssh_host_key", "ssh_host_key", "A qemu+ssh host is known by its SSH host key, type and base64, as known_hosts has it.", "Show its key, compare it at the host's console, and take it over.")
            : address;
    }

    /// <summary>What is wrong with a sign-in for such an address; null when nothing is, or the address takes none.</summary>
    public Refusal? Fault(LibvirtAddress address, HypervisorSignIn? signIn)
    {
        if (address.NeedsCertificates)
        {
            return signIn is null ? Refusal.Invalid("host.client_certificate.missing", "client_certificate", "libvirt lets nobody in over TLS without a client certificate.", "Give a certificate that the host's authority vouches for, and its key.")
                : IsPair(signIn) ? null
                : Refusal.Invalid("host.client_certificate", "client_certificate", "The client certificate and the private key are not PEM, or do not belong together.", "Give the certificate and its own key, in PEM and without a passphrase.");
        }

        return !address.NeedsHostKey || (signIn is not null && IsSshKey(signIn.PrivateKey))
            ? null
            : Refusal.Invalid("host.private_key", "private_key", "The portal signs in over SSH with a private key, and this is none that can be read.", "Paste the whole file, from BEGIN to END, of a key without a passphrase.");
    }

    /// <summary>What of the words counts for an address: pins of another transport are left out.</summary>
    public static ConnectionWords Trimmed(LibvirtAddress address, ConnectionWords words) => new(
        address.ToString(), address.NeedsCertificates ? words.Authority.Trim() : "", address.NeedsHostKey ? Key(words.SshHostKey) : "");

    /// <summary>SHA-256 of an SSH host key, base64 without padding, as OpenSSH shows it; null when it is none.</summary>
    public static string? FingerprintOf(string sshHostKey) => Blob(sshHostKey) is { } blob ? $"SHA256:{Convert.ToBase64String(SHA256.HashData(blob)).TrimEnd('=')}" : null;

    private static string Key(string sshHostKey) => string.Join(' ', sshHostKey.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Take(2));

    private static bool IsHostKey(string text) => text.Length < Longest && text.Trim().Split('\n').Length == 1 && Blob(text) is not null;

    /// <summary>The key's blob, which begins with its own type (RFC 4253, 6.6).</summary>
    private static byte[]? Blob(string text)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var bytes = new byte[text.Length];
        if (words.Length < 2 || !Convert.TryFromBase64String(words[1], bytes, out var length) || length < sizeof(int))
        {
            return null;
        }

        var named = BinaryPrimitives.ReadInt32BigEndian(bytes);
        return named > 0 && named < length - sizeof(int) && Encoding.ASCII.GetString(bytes, sizeof(int), named) == words[0] ? bytes[..length] : null;
    }

    private static bool IsAuthority(string pem)
    {
        if (pem.Length is 0 or > Longest)
        {
            return false;
        }

        try
        {
            var found = new X509Certificate2Collection();
            found.ImportFromPem(pem);
            return found.Count is > 0 and <= MostAuthorities;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static bool IsPair(HypervisorSignIn signIn)
    {
        try
        {
            using var pair = X509Certificate2.CreateFromPem(signIn.Certificate, signIn.PrivateKey);
            return pair.HasPrivateKey;
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    private static bool IsSshKey(string key)
    {
        if (key.Length is 0 or > Longest)
        {
            return false;
        }

        try
        {
            using var stream = new MemoryStream(Encoding.UTF8.GetBytes(key), writable: false);
            using var read = new PrivateKeyFile(stream);
            return true;
        }
        catch (Exception fault) when (fault is SshException or FormatException or ArgumentException or InvalidOperationException or NotSupportedException or CryptographicException or IOException or OverflowException or IndexOutOfRangeException)
        {
            // A stranger's text breaks a parser in many ways; all of them mean the same.
            return false;
        }
    }
}

/// <summary>The ways commands on hosts' connections say no.</summary>
internal static class ConnectionRefusals
{
    public static Refusal NameTaken(string name) => new("host.name.taken", RefusalKind.Conflict, $"There is a host '{name}' already.", "Choose another name, or change that host.", "name");

    public static Refusal UriTaken(string host) => new(
        "host.libvirt_uri.taken", RefusalKind.Conflict, $"{host} is reached by this libvirt URI already: one machine is one host.", "Change that host, or correct the URI.", "libvirt_uri");

    public static Refusal Address() => Refusal.Invalid("host.address", "address", "The address is no IP address or host name.", "Write it like 10.1.0.7 or kvm-01.example.org.");

    public static Refusal NoUri(string name) => Refusal.Invalid("host.libvirt_uri.required", "libvirt_uri", $"{name} has a hypervisor, and its libvirt URI cannot be taken away.", "Remove the host if it is not to run virtual machines any more.");

    public static Refusal Meanwhile(string name) => Refusal.Conflict("host.meanwhile", $"{name} changed since you opened it.", "Look at it again and repeat your change.");

    public static Refusal SignInLater(string name) => Refusal.Invalid(
        "host.sign_in.later", "private_key", $"{name} is still reached in the old way, which signs in otherwise.", "Give certificate and key once somebody has confirmed the new way.");

    public static Refusal NotReachedOtherwise(string name) => Refusal.Conflict("host.not_libvirt", $"{name} is not reached by libvirt: its adapter knows it by its address.", "Change hosts with a libvirt URI, or hosts without any hypervisor.");

    public static Refusal ProposalWaiting(ConnectionProposal waiting) => Refusal.Conflict(
        "host.proposal.waiting", $"A change that {waiting.PersonName} proposed waits for a second person already.", "Have that one confirmed, rejected or withdrawn first.");

    public static Refusal ProposalGone() => new(
        "host.proposal.not_found", RefusalKind.NotFound, "This proposal does not wait any more.", "Look again: it was confirmed, rejected or withdrawn.");

    public static Refusal ProposalVoid(string name) => Refusal.Conflict("host.proposal.void", $"The connection of {name} changed since this was proposed.", "Propose it again.");

    public static Refusal OwnProposal(string person) => new(
        "host.proposal.own", RefusalKind.Forbidden, $"{person} proposed this and cannot confirm it.", "Ask somebody else with the role administrator or security.");

    public static Refusal InUse(string name) => Refusal.Conflict("host.remove.state", $"{name} is in use.", "Set it to maintenance first.");

    public static Refusal HasVms(string name, int vms) => Refusal.Conflict(
        "host.remove.vms", $"{(vms == 1 ? "A virtual machine is" : $"{vms} virtual machines are")} placed on {name}.", "Move or delete them first.");
}
