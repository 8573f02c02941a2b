namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>Another TPM proposed by one person to vouch for a host that has an attester; it waits for a second person.</summary>
public sealed class AttesterReplacement
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The host; at most one waits per host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>TPM Name of the key enrolled when it was proposed, hexadecimal: a proposal against another is void.</summary>
    public required string AgainstKeyName { get; init; }

    /// <summary>The registration that is to vouch from then on.</summary>
    public required Guid RegistrationId { get; init; }

    /// <summary>Who proposed it: issuer.</summary>
    public required string Issuer { get; init; }

    /// <summary>Who proposed it: subject.</summary>
    public required string Subject { get; init; }

    /// <summary>Who proposed it: name.</summary>
    public required string PersonName { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }
}
