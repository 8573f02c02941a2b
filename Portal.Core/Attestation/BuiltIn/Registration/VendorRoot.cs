using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>A certificate of a TPM maker. A root counts once two people listed it; a certificate below a root counts as far as a root vouches for it.</summary>
public sealed class VendorRoot
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The certificate, DER.</summary>
    public required byte[] Certificate { get; init; }

    /// <summary>SHA-256 of the certificate, hexadecimal: what people compare with the maker's page.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>The subject's name, safe to show.</summary>
    public required string Subject { get; init; }

    /// <summary>Whether it vouches for itself.</summary>
    public required bool IsRoot { get; init; }

    /// <summary>End of its validity.</summary>
    public required DateTimeOffset NotAfter { get; init; }

    /// <summary>Issuer of who proposed it.</summary>
    public required string Issuer { get; init; }

    /// <summary>Subject of who proposed it.</summary>
    public required string ProposerSubject { get; init; }

    /// <summary>Who proposed it, by name at that time.</summary>
    public required string ProposedBy { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset ProposedAt { get; init; }

    /// <summary>Who confirmed it, by name at that time; null while nobody did.</summary>
    public string? ConfirmedBy { get; set; }

    /// <summary>Whether it counts.</summary>
    public bool Counts => !IsRoot || ConfirmedBy is not null;

    /// <summary>Whether its name is that of a maker of virtual TPMs, which whoever runs the machine below can read and change. A name proves nothing; this warns.</summary>
    public bool MakesVirtualTpms => VirtualTpms.IsNamedSo(Subject);
}
