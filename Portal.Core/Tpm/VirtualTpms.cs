using System.Collections.Immutable;

namespace Portal.Core.Tpm;

/// <summary>
/// Tells certificates of TPMs that are programs from those of chips, by what their makers call themselves. A name proves nothing: this only
/// warns about certificates whose issuer the site believes already.
/// </summary>
internal static class VirtualTpms
{
    /// <summary>Parts of names, of issuers or models: the software TPM of QEMU, and the virtual TPMs of large clouds and hypervisors.</summary>
    private static readonly ImmutableArray<string> s_names =
    [
        "swtpm", "libtpms", "virtual tpm", "vtpm", "nitrotpm", "google cloud", "amazon web services", "hyper-v", "vmware", "qemu",
    ];

    /// <summary>Registered ids of makers that make virtual TPMs only.</summary>
    private static readonly ImmutableArray<string> s_makers = ["GOOG", "AMZN", "VMW"];

    public static bool IsOne(EndorsementCertificate certificate, IEnumerable<string> chainNames) =>
        s_makers.Contains(certificate.Tpm.ManufacturerLetters ?? "", StringComparer.Ordinal)
        || IsNamedLikeAMachine(certificate.Subject)
        || chainNames.Append(certificate.Issuer).Append(certificate.Tpm.Model ?? "").Any(IsNamedSo);

    /// <summary>Whether an authority's name is one of who makes virtual TPMs.</summary>
    public static bool IsNamedSo(string name) => s_names.Any(part => name.Contains(part, StringComparison.OrdinalIgnoreCase));

    /// <summary>libvirt has certificates made for <c>machine:uuid</c>.</summary>
    private static bool IsNamedLikeAMachine(string subject) =>
        subject.LastIndexOf(':') is var colon and >= 0 && Guid.TryParseExact(subject.AsSpan(colon + 1), "D", out _);
}
