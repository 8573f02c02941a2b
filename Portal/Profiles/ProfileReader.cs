using System.Globalization;
using System.Net;
using Microsoft.Data.Sqlite;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Profiles;

/// <summary>Reads the profile from the configuration; says in one sentence each what is missing or wrong.</summary>
/// <param name="configuration">The configuration.</param>
public sealed class ProfileReader(IConfiguration configuration)
{
    /// <summary>Where Demo listens unless told otherwise.</summary>
    public const string DemoAddress = "http://localhost:5080";

    private readonly List<string> faults = [];

    /// <summary>The profile.</summary>
    /// <exception cref="StartRefusedException">Something is missing or wrong.</exception>
    public PortalProfile Read()
    {
        var kind = ReadKind();
        var identity = kind is ProfileKind.Production ? ReadIdentity() : null;
        var profile = new PortalProfile
        {
            Kind = kind,
            Identity = identity,
            ConnectionString = ReadConnectionString(kind),
            Simulation = ReadSimulation(kind),
            DataProtection = ReadDataProtection(),
            Registrar = ReadRegistrar(kind),
            Webhook = ReadWebhook(kind),
            PollHosts = Bind<PollHostsSettings>("Portal:PollHosts"),
        };
        CheckAddresses(kind);
        return faults.Count == 0 ? profile : throw new StartRefusedException(faults);
    }

    /// <summary>Every address the process was told to listen on.</summary>
    public static IReadOnlyList<string> Addresses(IConfiguration configuration) =>
    [
        .. (configuration["urls"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        .. (configuration["https_ports"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(p => $"https://*:{p}"),
        .. configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"]).OfType<string>(),
    ];

    private ProfileKind ReadKind()
    {
        var word = configuration["Portal:Profile"];
        if (string.IsNullOrWhiteSpace(word))
        {
            return ProfileKind.Demo;
        }

        foreach (var kind in Enum.GetValues<ProfileKind>())
        {
            if (string.Equals(word, kind.ToString(), StringComparison.OrdinalIgnoreCase))
            {
                return kind;
            }
        }

        // With an unknown word nothing else can be judged.
        throw new StartRefusedException([$"Portal:Profile is '{word}'; it must be Demo or Production."]);
    }

    private IdentitySettings ReadIdentity()
    {
        var identity = Bind<IdentitySettings>("Portal:Identity");
        if (string.IsNullOrWhiteSpace(identity.Authority))
        {
            faults.Add("Portal:Identity:Authority is missing; set it to the https address of your OpenID Connect provider.");
        }
        else if (!Uri.TryCreate(identity.Authority, UriKind.Absolute, out var authority) || authority.Scheme != Uri.UriSchemeHttps)
        {
            faults.Add($"Portal:Identity:Authority is '{identity.Authority}'; it must be an https address.");
        }

        if (string.IsNullOrWhiteSpace(identity.ClientId))
        {
            faults.Add("Portal:Identity:ClientId is missing; set it to the client your OpenID Connect provider knows the portal by.");
        }

        foreach (var role in identity.Roles.Keys.Where(r => !Enum.TryParse<Role>(r, ignoreCase: true, out _)))
        {
            faults.Add($"Portal:Identity:Roles:{role} is not a role of the portal; the roles are {string.Join(", ", Enum.GetNames<Role>())}.");
        }

        if (string.IsNullOrWhiteSpace(identity.Audience))
        {
            identity.Audience = identity.ClientId;
        }

        return identity;
    }

    private string ReadConnectionString(ProfileKind kind)
    {
        var given = configuration.GetConnectionString("Portal");
        try
        {
            var builder = new SqliteConnectionStringBuilder(
                string.IsNullOrWhiteSpace(given) ? $"Data Source={Path.Combine(DefaultFolder(kind), "portal.db")}" : given);
            if (builder.Mode is SqliteOpenMode.Memory || builder.DataSource is "" or ":memory:")
            {
                faults.Add("ConnectionStrings:Portal must name a file, for example 'Data Source=/var/lib/portal/portal.db'.");
            }

            return builder.ToString();
        }
        catch (ArgumentException fault)
        {
            faults.Add($"ConnectionStrings:Portal cannot be read: {fault.Message}");
            return "";
        }
    }

    /// <summary>A folder of its own for each profile, where this user keeps the data of programs.</summary>
    private static string DefaultFolder(ProfileKind kind)
    {
        var local = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(local.Length > 0 ? local : Path.Combine(Environment.CurrentDirectory, "data"), "trusted-pools", kind.ToString().ToLowerInvariant());
    }

    private SimulationSettings ReadSimulation(ProfileKind kind)
    {
        var simulation = Bind<SimulationSettings>("Portal:Simulation");
        if (kind is ProfileKind.Production && configuration.GetSection("Portal:Simulation").GetChildren().Any())
        {
            faults.Add("Portal:Simulation is set; Production has no simulated hosts: remove it, or set Portal:Profile to Demo.");
        }

        InRange("Portal:Simulation:Hosts", simulation.Hosts, 0, 100_000);
        InRange("Portal:Simulation:Clusters", simulation.Clusters, 1, 1_000);
        InRange("Portal:Simulation:StepDelayMilliseconds", simulation.StepDelayMilliseconds, 0, 5_000);
        return simulation;
    }

    private DataProtectionSettings ReadDataProtection()
    {
        var settings = Bind<DataProtectionSettings>("Portal:DataProtection");
        if (settings.CertificateFile.Length > 0 && !File.Exists(settings.CertificateFile))
        {
            faults.Add($"Portal:DataProtection:CertificateFile is '{settings.CertificateFile}'; there is no such file.");
        }

        return settings;
    }

    private WebhookSettings ReadWebhook(ProfileKind kind)
    {
        var settings = Bind<WebhookSettings>("Portal:Webhook");
        InRange("Portal:Webhook:Port", settings.Port, 1, 65535);
        CheckListening("Portal:Webhook:Address", settings.Address, settings.Enabled, kind);
        return settings;
    }

    private void CheckListening(string name, string given, bool enabled, ProfileKind kind)
    {
        if (!IPAddress.TryParse(given, out var address))
        {
            faults.Add($"{name} is '{given}'; it must be an IP address of this machine, or 0.0.0.0 for all.");
        }
        else if (kind is ProfileKind.Demo && enabled && !IPAddress.IsLoopback(address))
        {
            faults.Add($"{name} is '{given}'; Demo has known passwords and listens on this machine only.");
        }
    }

    private RegistrarSettings ReadRegistrar(ProfileKind kind)
    {
        var settings = Bind<RegistrarSettings>("Portal:Registrar");
        InRange("Portal:Registrar:HttpPort", settings.HttpPort, 0, 65535);
        InRange("Portal:Registrar:HttpsPort", settings.HttpsPort, 0, 65535);
        if (settings.Enabled && settings.HttpPort == 0 && settings.HttpsPort == 0)
        {
            faults.Add("Portal:Registrar is enabled without a port; set HttpPort or HttpsPort.");
        }

        CheckListening("Portal:Registrar:Address", settings.Address, settings.Enabled, kind);
        if (settings.PublicAddress.Length > 0 && !HostScript.IsAddress(settings.PublicAddress))
        {
            faults.Add($"Portal:Registrar:PublicAddress is '{settings.PublicAddress}'; it must be the IP address or name hosts reach this portal by.");
        }

        foreach (var network in settings.Networks.Where(n => !IPNetwork.TryParse(n, out _)))
        {
            faults.Add($"Portal:Registrar:Networks names '{network}'; a network is written like 10.1.0.0/16.");
        }

        return settings;
    }

    private void CheckAddresses(ProfileKind kind)
    {
        var addresses = Addresses(configuration);
        if (kind is ProfileKind.Demo)
        {
            foreach (var address in addresses.Where(a => !IsLoopback(a)))
            {
                faults.Add($"ASPNETCORE_URLS names '{address}'; Demo has known passwords and listens on this machine only: use {DemoAddress}, or set Portal:Profile to Production.");
            }
        }
        else if (!addresses.Any(a => a.StartsWith("https://", StringComparison.OrdinalIgnoreCase)))
        {
            faults.Add("ASPNETCORE_URLS names no https address; set it, for example to https://0.0.0.0:8443, and give Kestrel a certificate.");
        }
    }

    private static bool IsLoopback(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri)
        && (string.Equals(uri.Host, "localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(uri.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip)));

    private void InRange(string key, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{key} is {value}; it must be between {least} and {most}."));
        }
    }

    private T Bind<T>(string section) where T : new()
    {
        var value = new T();
        try
        {
            configuration.GetSection(section).Bind(value);
        }
        catch (InvalidOperationException fault)
        {
            faults.Add($"{section} cannot be read: {fault.Message}");
        }

        return value;
    }
}

/// <summary>The process must not start; each sentence says one thing to mend.</summary>
/// <param name="sentences">What is wrong.</param>
public sealed class StartRefusedException(IReadOnlyList<string> sentences) : Exception(string.Join(Environment.NewLine, sentences))
{
    /// <summary>What the process ends with (EX_CONFIG of sysexits.h).</summary>
    public const int ExitCode = 78;

    public IReadOnlyList<string> Sentences { get; } = sentences;
}
