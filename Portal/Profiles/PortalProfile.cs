using Microsoft.Data.Sqlite;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Profiles;

/// <summary>What this portal is for.</summary>
public enum ProfileKind
{
    /// <summary>Simulated hosts, known users, reachable from this machine only.</summary>
    Demo,

    /// <summary>The real thing.</summary>
    Production,
}

/// <summary>How this process was asked to run, read once and checked before anything starts.</summary>
public sealed record PortalProfile
{
    public required ProfileKind Kind { get; init; }

    /// <summary>Where the portal's database is.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The identity provider; null in Demo, which brings its own.</summary>
    public required IdentitySettings? Identity { get; init; }

    public required SimulationSettings Simulation { get; init; }

    public required DataProtectionSettings DataProtection { get; init; }

    public RegistrarSettings Registrar { get; init; } = new();

    public WebhookSettings Webhook { get; init; } = new();

    public PollHostsSettings PollHosts { get; init; } = new();

    public bool IsDemo => Kind is ProfileKind.Demo;

    /// <summary>The folder of the database file; what else must be kept lies beside it.</summary>
    public string DataFolder => Path.GetDirectoryName(Path.GetFullPath(new SqliteConnectionStringBuilder(ConnectionString).DataSource)) ?? ".";

    /// <summary>A file beside the database, named after it.</summary>
    public string Beside(string suffix) =>
        Path.Combine(DataFolder, $"{Path.GetFileNameWithoutExtension(new SqliteConnectionStringBuilder(ConnectionString).DataSource)}.{suffix}");
}

/// <summary>The identity provider of Production: keys under <c>Portal:Identity</c>.</summary>
public sealed class IdentitySettings
{
    /// <summary>Address of the OpenID Connect provider.</summary>
    public string Authority { get; set; } = "";

    /// <summary>How the provider knows the portal.</summary>
    public string ClientId { get; set; } = "";

    /// <summary>The portal's secret there; empty for a public client with PKCE.</summary>
    public string ClientSecret { get; set; } = "";

    /// <summary>Who REST tokens must be meant for; the client id by default.</summary>
    public string Audience { get; set; } = "";

    /// <summary>Claim that holds roles.</summary>
    public string RolesClaim { get; set; } = "roles";

    /// <summary>Claim that holds the name to show.</summary>
    public string NameClaim { get; set; } = "preferred_username";

    /// <summary>Scopes to ask for besides <c>openid profile</c>.</summary>
    public IList<string> Scopes { get; } = [];

    /// <summary>What the provider calls our roles: role name to claim value; by default the same words in any case.</summary>
    public IDictionary<string, string> Roles { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
}

/// <summary>The simulated fleet: keys under <c>Portal:Simulation</c>.</summary>
public sealed class SimulationSettings
{
    public int Hosts { get; set; } = 12;

    public int Clusters { get; set; } = 2;

    /// <summary>Wait inside each call of a simulated hypervisor, in milliseconds: for watching operations, and for interrupting them.</summary>
    public int StepDelayMilliseconds { get; set; }
}

/// <summary>What protects the keys of cookies: keys under <c>Portal:DataProtection</c>.</summary>
public sealed class DataProtectionSettings
{
    /// <summary>A PKCS#12 file; empty leaves the keys in the database unencrypted.</summary>
    public string CertificateFile { get; set; } = "";

    public string CertificatePassword { get; set; } = "";
}

/// <summary>Whether schedulers that know only OpenAttestation may ask: keys under <c>Portal:PollHosts</c>.</summary>
public sealed class PollHostsSettings
{
    public bool Enabled { get; set; }
}

/// <summary>Where Keylime verifiers tell of failures: keys under <c>Portal:Webhook</c>. Off until enabled; verifiers are polled in any case.</summary>
public sealed class WebhookSettings
{
    public bool Enabled { get; set; }

    /// <summary>Port to listen on with mutual TLS.</summary>
    public int Port { get; set; } = 8444;

    /// <summary>Address to listen on; this machine only by default.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>Address or name verifiers reach it by, for the certificate; <see cref="Address"/> unless told otherwise.</summary>
    public string PublicAddress { get; set; } = "";
}

/// <summary>Where hosts' own agents register: keys under <c>Portal:Registrar</c>. Off until enabled.</summary>
public sealed class RegistrarSettings
{
    public bool Enabled { get; set; }

    /// <summary>Port agents register at without TLS, as they do unless told otherwise; 0 opens none.</summary>
    public int HttpPort { get; set; } = 8890;

    /// <summary>Port agents register at with TLS; 0 opens none.</summary>
    public int HttpsPort { get; set; } = 8891;

    /// <summary>Address to listen on, and what the certificate of the TLS port names; this machine only by default.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>Address or name hosts reach the registrar by; <see cref="Address"/> unless told otherwise.</summary>
    public string PublicAddress { get; set; } = "";

    /// <summary>Networks in which the portal may connect to agents, for example <c>10.1.0.0/16</c>; none allows nothing.</summary>
    public IList<string> Networks { get; } = [];

    /// <summary>Where hosts find the registrar.</summary>
    public RegistrarFace Face => new(PublicAddress.Length > 0 ? PublicAddress : Address, HttpPort, HttpsPort, Enabled);
}
