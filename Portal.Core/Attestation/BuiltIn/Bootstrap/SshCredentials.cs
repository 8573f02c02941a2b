using System.Security.Cryptography;
using System.Text;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>
/// How to sign in on a host, this one time. Never stored, never logged, in memory only and wiped when done; what the runtime copied meanwhile
/// (a text typed in a page, what the SSH library makes of it) goes with the next collection.
/// </summary>
public sealed class SshCredentials : IDisposable
{
    private readonly byte[] password;
    private readonly byte[] privateKey;
    private readonly byte[] passphrase;

    /// <summary>Takes them over.</summary>
    /// <param name="user">The user's name.</param>
    /// <param name="password">The password; also what sudo is told. Empty when there is none.</param>
    /// <param name="privateKey">A private key in PEM or OpenSSH's format; empty when there is none.</param>
    /// <param name="passphrase">What opens the key; empty when nothing is needed.</param>
    public SshCredentials(string user, string password, string privateKey = "", string passphrase = "") =>
        (User, this.password, this.privateKey, this.passphrase) = (user, Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes(privateKey), Encoding.UTF8.GetBytes(passphrase));

    /// <summary>The user's name.</summary>
    public string User { get; }

    /// <summary>Whether there is a password.</summary>
    public bool HasPassword => password.Length > 0;

    /// <summary>Whether there is a private key.</summary>
    public bool HasPrivateKey => privateKey.Length > 0;

    internal ReadOnlySpan<byte> Password => password;

    /// <summary>What is wrong with them; null when nothing is.</summary>
    public Refusal? Fault()
    {
        if (User.Length is 0 or > 64 || !User.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '@') || User[0] is '-' or '@')
        {
            return Refusal.Invalid("ssh.user", "user", "The user has up to 64 letters, digits, '.', '_', '-' or '@'.", "Write the name one signs in with on the host.");
        }

        if (!HasPassword && !HasPrivateKey)
        {
            return Refusal.Invalid("ssh.credentials", "password", "There is neither a password nor a private key to sign in with.", "Type one of them; it is used this one time.");
        }

        try
        {
            using var key = ReadKey();
            return null;
        }
        catch (SshPassPhraseNullOrEmptyException)
        {
            return Refusal.Invalid("ssh.passphrase", "passphrase", "The private key needs a passphrase.", "Type it; it is used this one time.");
        }
        catch (Exception fault) when (fault is SshException or FormatException or ArgumentException or InvalidOperationException or NotSupportedException or CryptographicException or IOException or OverflowException or IndexOutOfRangeException)
        {
            return Refusal.Invalid("ssh.private_key", "private_key", "The private key cannot be read, or its passphrase is another.", "Paste the whole file, from BEGIN to END.");
        }
    }

    /// <summary>For one connection, which disposes them.</summary>
    internal AuthenticationMethod[] Methods()
    {
        var methods = new List<AuthenticationMethod>();
        if (ReadKey() is { } key)
        {
            methods.Add(new PrivateKeyAuthenticationMethod(User, key));
        }

        if (HasPassword)
        {
            methods.Add(new PasswordAuthenticationMethod(User, [.. password]));
            var asked = new KeyboardInteractiveAuthenticationMethod(User);
            asked.AuthenticationPrompt += (_, question) =>
            {
                // A question whose answer is shown is not one for a password.
                foreach (var prompt in question.Prompts)
                {
                    prompt.Response = prompt.IsEchoed ? "" : Encoding.UTF8.GetString(password);
                }
            };
            methods.Add(asked);
        }

        return [.. methods];
    }

    /// <summary>A line without the password, should a host show it.</summary>
    internal string Without(string line)
    {
        var text = Encoding.UTF8.GetString(password);
        return text.Length >= 3 ? line.Replace(text, "•••", StringComparison.Ordinal) : line;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(password);
        CryptographicOperations.ZeroMemory(privateKey);
        CryptographicOperations.ZeroMemory(passphrase);
    }

    /// <inheritdoc/>
    public override string ToString() => $"credentials of {User}";

    private PrivateKeyFile? ReadKey()
    {
        if (!HasPrivateKey)
        {
            return null;
        }

        using var stream = new MemoryStream(privateKey, writable: false);
        return passphrase.Length > 0 ? new PrivateKeyFile(stream, Encoding.UTF8.GetString(passphrase)) : new PrivateKeyFile(stream);
    }
}
