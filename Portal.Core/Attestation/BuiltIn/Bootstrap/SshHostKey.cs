namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>The SSH host key a person confirmed for an address: from then on no other is talked to there.</summary>
public sealed class SshHostKey
{
    /// <summary>The address as it was typed, lower case.</summary>
    public required string Address { get; init; }

    /// <summary>The port.</summary>
    public required int Port { get; init; }

    /// <summary>SHA-256 of the key's public blob, base64 without padding, as OpenSSH shows it after <c>SHA256:</c>.</summary>
    public required string Fingerprint { get; set; }

    /// <summary>The key's kind, for example <c>ssh-ed25519</c>.</summary>
    public required string Kind { get; set; }

    /// <summary>Who confirmed it, by name at that time.</summary>
    public required string ConfirmedBy { get; set; }

    /// <summary>When.</summary>
    public required DateTimeOffset ConfirmedAt { get; set; }
}
