using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Portal.Core.Attestation.BuiltIn.Registration;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>What may differ from host to host in the script; everything else in it is the portal's.</summary>
/// <param name="Contact">Address at which the portal is to reach the host's agent; null takes the one the host reaches the portal from.</param>
/// <param name="AgentId">What the agent calls itself; null takes the hash of its endorsement key.</param>
public sealed record HostScriptChoice(string? Contact = null, string? AgentId = null);

/// <summary>
/// The script that makes a machine a host of this portal. It holds no secret: the authority and the registrar's address are public, and a ticket
/// is typed where it runs. Made of the same settings it is the same, byte for byte, so that its hash can be compared.
/// </summary>
/// <param name="Text">The script, for any POSIX shell, UTF-8 with line feeds.</param>
public sealed partial record HostScript(string Text)
{
    /// <summary>How its last line begins when it stopped.</summary>
    internal const string Stopped = "stopped: ";

    /// <summary>How the line begins that names the endorsement key.</summary>
    internal const string EndorsementKey = "endorsement key: ";

    /// <summary>What it is called as a file.</summary>
    public const string FileName = "portal-host.sh";

    /// <summary>Port agents listen on. Source: keylime agent, <c>port</c>.</summary>
    public const int AgentPort = 9002;

    /// <summary>The agent's own word for "the hash of the endorsement key". Source: keylime agent, <c>uuid</c>.</summary>
    public const string HashOfEndorsementKey = "hash_ek";

    private static readonly string Template = ReadTemplate();

    /// <summary>SHA-256 of the script, lower-case hexadecimal.</summary>
    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text)));

    /// <summary>Whether a text is an IP address without zone or a host name, and nothing a shell or a configuration file could read otherwise.</summary>
    public static bool IsAddress(string text) => text.Length <= 253 && Address().IsMatch(text) && Uri.CheckHostName(text) != UriHostNameType.Unknown;

    /// <summary>Writes the script. Refusals: <c>bootstrap.registrar.*</c>, <c>bootstrap.contact</c>, <c>bootstrap.agent_id</c>.</summary>
    /// <param name="face">Where hosts find the registrar.</param>
    /// <param name="authorityPem">Certificates agents have to let in.</param>
    /// <param name="choice">What differs from host to host.</param>
    public static Outcome<HostScript> Make(RegistrarFace face, string authorityPem, HostScriptChoice choice)
    {
        ArgumentNullException.ThrowIfNull(face);
        ArgumentNullException.ThrowIfNull(choice);
        if (face.Fault is { } fault)
        {
            return fault;
        }

        var (contact, agentId) = (choice.Contact ?? "", choice.AgentId ?? HashOfEndorsementKey);
        if (contact.Length > 0 && !IsAddress(contact))
        {
            return Refusal.Invalid("bootstrap.contact", "contact", "The address of the host is no IP address or host name.", "Write it like 10.1.0.7 or kvm-01.example.org, or leave it out.");
        }

        if (!AgentRegistration.IsAgentId(agentId))
        {
            return Refusal.Invalid("bootstrap.agent_id", "agent_id", $"An agent's id has up to {AgentRegistration.MaxAgentId} letters, digits, '_', '.' or '-'.", "Leave it out to take the hash of the endorsement key.");
        }

        var values = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["REGISTRAR"] = face.Address,
            ["HTTP_PORT"] = face.HttpPort.ToString(CultureInfo.InvariantCulture),
            ["HTTPS_PORT"] = face.HttpsPort.ToString(CultureInfo.InvariantCulture),
            ["CONTACT"] = contact,
            ["AGENT_PORT"] = AgentPort.ToString(CultureInfo.InvariantCulture),
            ["AGENT_ID"] = agentId,
            ["AUTHORITY"] = authorityPem.TrimEnd(),
        };

        // In one pass: what is put in is never read for places to put something in.
        return new HostScript(Place().Replace(Template, place => Quote(values[place.Groups["name"].Value])));
    }

    /// <summary>A text as one word of a POSIX shell, whatever is in it. Source: POSIX.1-2017, Shell Command Language, 2.2.2.</summary>
    /// <exception cref="ArgumentException">It has a NUL, which no shell word can have.</exception>
    public static string Quote(string text) => text.Contains('\0', StringComparison.Ordinal)
        ? throw new ArgumentException("A shell word has no NUL.", nameof(text))
        : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string ReadTemplate()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(FileName) ?? throw new InvalidOperationException($"{FileName} is not in the assembly.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9.-]*\z|\A[0-9A-Fa-f:][0-9A-Fa-f:.]*\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Address();

    [GeneratedRegex("(?<==)%(?<name>[A-Z_]+)%(?=\n)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Place();
}
