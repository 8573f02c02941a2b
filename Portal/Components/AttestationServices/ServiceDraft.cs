using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>A service as it is being typed.</summary>
internal sealed class ServiceDraft
{
    public string Name { get; set; } = "";

    public ServiceType Type { get; set; } = ServiceType.Keylime;

    public string Address { get; set; } = "";

    public string RegistrarAddress { get; set; } = "";

    public string Authority { get; set; } = "";

    public bool ChecksName { get; set; } = true;

    public string Certificate { get; set; } = "";

    /// <summary>Empty again as soon as it was given to the core.</summary>
    public string PrivateKey { get; set; } = "";

    public int? PollSeconds { get; set; } = 10;

    public int? TimeoutSeconds { get; set; } = 30;

    /// <summary>What is set now, to change it.</summary>
    public static ServiceDraft Of(AttestationServer server) => new()
    {
        Name = server.Name,
        Type = server.Type,
        Address = server.Address,
        RegistrarAddress = server.RegistrarAddress,
        Authority = server.Authority,
        ChecksName = server.ChecksName,
        PollSeconds = server.PollSeconds,
        TimeoutSeconds = server.TimeoutSeconds,
    };

    /// <summary>What was typed, trimmed; a number left out is one no rule allows, so that the rule's own words answer it.</summary>
    public ServerWords Words => new(
        Name.Trim(),
        Type,
        new ServerEndpoint(Address.Trim(), Type is ServiceType.Keylime ? RegistrarAddress.Trim() : "", Authority.Trim(), ChecksName),
        PollSeconds ?? 0,
        TimeoutSeconds ?? 0);

    /// <summary>Our certificate; null when none was typed.</summary>
    public ClientIdentity? Client => Certificate.Trim().Length + PrivateKey.Trim().Length == 0 ? null : new ClientIdentity(Certificate.Trim(), PrivateKey.Trim());
}
