using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FluentValidation;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.Outside;

/// <summary>What a person said of a server, trimmed.</summary>
/// <param name="Name">Unique name.</param>
/// <param name="Type">What it is.</param>
/// <param name="Endpoint">How it is reached and known.</param>
/// <param name="PollSeconds">Time between two polls.</param>
/// <param name="TimeoutSeconds">How long one request may take.</param>
public sealed record ServerWords(string Name, ServiceType Type, ServerEndpoint Endpoint, int PollSeconds, int TimeoutSeconds);

/// <summary>A certificate of ours for a server, and its private key.</summary>
/// <param name="Certificate">The certificate, and its chain if it needs one, PEM.</param>
/// <param name="PrivateKey">Its key, PEM without a passphrase. Secret: kept protected, never given back.</param>
public sealed record ClientIdentity(string Certificate, string PrivateKey)
{
    /// <summary>Never tells the key.</summary>
    public override string ToString() => nameof(ClientIdentity);

    /// <summary>Whether both are PEM and belong together.</summary>
    public bool IsUsable()
    {
        try
        {
            using var pair = X509Certificate2.CreateFromPem(Certificate, PrivateKey);
            return pair.HasPrivateKey;
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            return false;
        }
    }
}

/// <summary>What may be said of a server.</summary>
public sealed class ServerRules : AbstractValidator<ServerWords>
{
    /// <summary>Longest name, in characters.</summary>
    public const int LongestName = 64;

    /// <summary>Most certificates pinned.</summary>
    public const int MostAuthorities = 8;

    /// <summary>The rules hold no state.</summary>
    public static ServerRules Instance { get; } = new();

    private ServerRules()
    {
        RuleFor(s => s.Name).Cascade(CascadeMode.Stop)
            .NotEmpty().RefusedAs("service.name.empty", "A service needs a name.", "Give it a name of 1 to 64 characters.")
            .MaximumLength(LongestName).RefusedAs("service.name.long", "The name is longer than 64 characters.", "Shorten it.")
            .Must(name => name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')).RefusedAs(
                "service.name.characters", "A name has letters a to z, digits, dots, underscores and hyphens.", "Leave the other characters out.");
        RuleFor(s => s.Type)
            .Must(type => type is ServiceType.Keylime or ServiceType.OpenAttestation)
            .RefusedAs("service.type", "A server is of type keylime or openattestation; the built-in verifier is there already.", "Choose one of the two.");
        RuleFor(s => s.Endpoint.Address).Must(IsAddress).OverridePropertyName("address")
            .RefusedAs("service.address", "The address is https with host and port and nothing behind it, for example https://keylime.example.com:8881.", "Correct the address.");
        RuleFor(s => s.Endpoint.RegistrarAddress).Must((s, address) => s.Type == ServiceType.Keylime ? IsAddress(address) : address.Length == 0).OverridePropertyName("registrarAddress")
            .RefusedAs("service.registrar", "A Keylime service needs the address of its registrar, https with host and port, for example https://keylime.example.com:8891; no other has one.", "Correct the address.");
        RuleFor(s => s.Endpoint.Authority).Must(IsAuthority).OverridePropertyName("authority")
            .RefusedAs("service.authority", "The authority is 1 to 8 certificates in PEM: those that issued the server's.", "Paste the text from BEGIN CERTIFICATE to END CERTIFICATE.");
        RuleFor(s => s.PollSeconds).InclusiveBetween(AttestationServer.LeastPollSeconds, AttestationServer.MostPollSeconds)
            .RefusedAs("service.interval", "A server is polled every 2 seconds to every hour.", "Choose a time within these limits.");
        RuleFor(s => s.TimeoutSeconds).InclusiveBetween(1, 300)
            .RefusedAs("service.timeout", "A request may take 1 to 300 seconds.", "Choose a time within these limits.");
    }

    private static bool IsAddress(string text) =>
        text.Length <= 300
        && Uri.TryCreate(text, UriKind.Absolute, out var uri)
        && uri.Scheme == Uri.UriSchemeHttps
        && uri is { UserInfo.Length: 0, AbsolutePath: "/", Query.Length: 0, Fragment.Length: 0, Host.Length: > 0 };

    private static bool IsAuthority(string pem)
    {
        if (pem.Length is 0 or > 64 << 10)
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
}

/// <summary>The ways a command on servers says no.</summary>
internal static class ServerRefusals
{
    public static Refusal NotFound(Guid id) => Refusal.NotFound("service", id.ToString());

    public static Refusal NameTaken(string name) => new("service.name.taken", RefusalKind.Conflict, $"There is a service '{name}' already.", "Choose another name.", "name");

    public static Refusal ClientUnusable() => Refusal.Invalid(
        "service.client", "clientCertificate", "The client certificate and the private key are not PEM, or do not belong together.", "Give the certificate and its own key, in PEM and without a passphrase.");

    public static Refusal ClientMissing() => Refusal.Invalid(
        "service.client.missing", "clientCertificate", "Keylime lets nobody in without a client certificate.", "Give a certificate that the verifier's trusted_client_ca vouches for, and its key.");

    public static Refusal Named(string name, IEnumerable<string> clusters) => Refusal.Conflict(
        "service.named", $"{name} verifies hosts of {string.Join(", ", clusters)}.", "Let these clusters name other services first.");

    public static Refusal ProposalWaiting(ServerProposal waiting) => Refusal.Conflict(
        "service.proposal.waiting", $"A change that {waiting.PersonName} proposed waits for a second person already.", "Have that one confirmed, rejected or withdrawn first.");

    public static Refusal ProposalGone() => new(
        "service.proposal.not_found", RefusalKind.NotFound, "This proposal does not wait any more.", "Look again: it was confirmed, rejected or withdrawn.");

    public static Refusal ProposalVoid(string name) => Refusal.Conflict("service.proposal.void", $"{name} changed since this was proposed.", "Propose it again.");

    public static Refusal OwnProposal(string person) => new(
        "service.proposal.own", RefusalKind.Forbidden, $"{person} proposed this and cannot confirm it.", "Ask somebody else with the role administrator or security.");

    public static Refusal Meanwhile(string name) => Refusal.Conflict("service.meanwhile", $"{name} changed since you opened it.", "Look at it again and repeat your change.");

    public static Refusal HostNotThere(string cluster, string server) => Refusal.Conflict(
        "service.host.cluster", $"The host's cluster {cluster} does not name {server}.", "Let the cluster name the service first.");

    public static Refusal HostNameTaken(string name, string host) => Refusal.Conflict(
        "service.host.taken", $"'{name}' is {host} already; one attester is one host.", "Choose the name the server has for this very host.");

    public static Refusal HostName() => Refusal.Invalid(
        "service.host.name", "name", "A server's name for a host has 1 to 255 letters, digits, dots, underscores, hyphens and colons.", "Give the name as the server lists it.");
}
