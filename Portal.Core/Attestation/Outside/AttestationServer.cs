namespace Portal.Core.Attestation.Outside;

/// <summary>What an attestation service is.</summary>
public enum ServiceType
{
    /// <summary>The verifier of our own: no server, nothing to configure.</summary>
    BuiltIn,

    /// <summary>A Keylime verifier and its registrar.</summary>
    Keylime,

    /// <summary>An OpenAttestation server, 1.5 to 2.3.</summary>
    OpenAttestation,
}

/// <summary>The names of the types in REST and in pages' addresses.</summary>
public static class ServiceTypes
{
    /// <summary>The word on the wire: <c>builtin</c>, <c>keylime</c>, <c>openattestation</c>.</summary>
    public static string Word(ServiceType type) => type switch
    {
        ServiceType.BuiltIn => "builtin",
        ServiceType.Keylime => "keylime",
        ServiceType.OpenAttestation => "openattestation",
    };

    /// <summary>As a person says it.</summary>
    public static string Title(ServiceType type) => type switch
    {
        ServiceType.BuiltIn => "Built-in verifier",
        ServiceType.Keylime => "Keylime",
        ServiceType.OpenAttestation => "OpenAttestation",
    };
}

/// <summary>How a server is reached and known. A change of any of this but the pace takes two people.</summary>
/// <param name="Address">Where it answers, https with host and port: Keylime's verifier, OpenAttestation's server.</param>
/// <param name="RegistrarAddress">Keylime only: where its registrar answers, https with host and port.</param>
/// <param name="Authority">The certificates that may have issued the server's, PEM. No other is accepted.</param>
/// <param name="ChecksName">Whether the server's certificate must name its host; Keylime before 7.14.1 made certificates without names.</param>
public sealed record ServerEndpoint(string Address, string RegistrarAddress, string Authority, bool ChecksName);

/// <summary>An attestation server of the site's own that the portal is a client of.</summary>
public sealed class AttestationServer
{
    /// <summary>Shortest time between two polls, in seconds.</summary>
    public const int LeastPollSeconds = 2;

    /// <summary>Longest time between two polls, in seconds.</summary>
    public const int MostPollSeconds = 3600;

    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>What it is; never <see cref="ServiceType.BuiltIn"/>.</summary>
    public required ServiceType Type { get; init; }

    /// <summary>See <see cref="ServerEndpoint.Address"/>.</summary>
    public required string Address { get; set; }

    /// <summary>See <see cref="ServerEndpoint.RegistrarAddress"/>; empty where there is none.</summary>
    public string RegistrarAddress { get; set; } = "";

    /// <summary>See <see cref="ServerEndpoint.Authority"/>.</summary>
    public required string Authority { get; set; }

    /// <summary>See <see cref="ServerEndpoint.ChecksName"/>.</summary>
    public bool ChecksName { get; set; } = true;

    /// <summary>Our certificate for it and its chain, PEM; not secret. Empty when it has none.</summary>
    public string ClientCertificate { get; set; } = "";

    /// <summary>The private key of that certificate, PKCS#8, protected by the portal's data protection keys. Written, never shown.</summary>
    public byte[]? ProtectedKey { get; set; }

    /// <summary>Time between two polls, in seconds.</summary>
    public int PollSeconds { get; set; } = 10;

    /// <summary>How long one request may take, in seconds.</summary>
    public int TimeoutSeconds { get; set; } = 30;

    /// <summary>Since when it is known not to answer; null while it does. Kept, so that a portal that is started meanwhile does not raise the alarm once more.</summary>
    public DateTimeOffset? DownSince { get; set; }

    /// <summary>Raised by every change: a connection made under another is not used any more.</summary>
    public long Version { get; set; } = 1;

    /// <summary>How it is reached and known.</summary>
    public ServerEndpoint Endpoint => new(Address, RegistrarAddress, Authority, ChecksName);
}
