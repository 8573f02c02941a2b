using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>
/// The makers of TPMs a site believes: their root certificates, and certificates between a root and a TPM's own, which are believed only
/// as far as a root vouches for them.
/// </summary>
public sealed class EndorsementAuthorities : IDisposable
{
    /// <summary>Most certificates in one set; the makers known today have some hundreds together.</summary>
    public const int MaxCertificates = 5000;

    private EndorsementAuthorities(X509Certificate2Collection roots, X509Certificate2Collection intermediates) =>
        (Roots, Intermediates) = (roots, intermediates);

    internal X509Certificate2Collection Roots { get; }

    internal X509Certificate2Collection Intermediates { get; }

    /// <summary>Reads both sets. Refused: text that is no PEM certificates, more than 5000 of them.</summary>
    /// <param name="roots">PEM certificates one after another; empty believes nobody.</param>
    /// <param name="intermediates">The same; may be empty.</param>
    public static TpmResult<EndorsementAuthorities> FromPem(ReadOnlySpan<char> roots, ReadOnlySpan<char> intermediates)
    {
        var read = new EndorsementAuthorities([], []);
        try
        {
            read.Roots.ImportFromPem(roots);
            read.Intermediates.ImportFromPem(intermediates);
        }
        catch (CryptographicException)
        {
            read.Dispose();
            return TpmRefusal.Malformed("The certificates of the TPM makers are not PEM.");
        }
        var count = read.Roots.Count + read.Intermediates.Count;
        if (count <= MaxCertificates)
            return read;
        read.Dispose();
        return new TpmRefusal(TpmRefusalCode.TooLarge, $"{count} certificates of TPM makers; at most {MaxCertificates} are kept.");
    }

    /// <summary>Frees the certificates.</summary>
    public void Dispose()
    {
        foreach (var certificate in Roots.Concat(Intermediates))
            certificate.Dispose();
    }
}
