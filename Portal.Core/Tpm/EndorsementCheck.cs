using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>What is known of a TPM's origin.</summary>
public enum EndorsementVerdict
{
    /// <summary>A maker this site believes vouches for the registered key.</summary>
    Valid,

    /// <summary>As <see cref="Valid"/>, but the issuer makes virtual TPMs: what the host runs under can read and change them.</summary>
    VirtualTpm,

    /// <summary>The TPM came without a certificate.</summary>
    NoCertificate,

    /// <summary>What came is no certificate that can be read and checked.</summary>
    Unreadable,

    /// <summary>A certificate for something else.</summary>
    NotForEndorsement,

    /// <summary>A certificate of another key than the registered one.</summary>
    KeyDiffers,

    /// <summary>It leads to no authority this site believes, or its signature is wrong.</summary>
    UnknownIssuer,

    /// <summary>It, or a certificate above it, is not valid yet or any more.</summary>
    OutOfDate,
}

/// <summary>A TPM's origin, with a sentence for people.</summary>
/// <param name="Verdict">The closed result.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Remedy">What an administrator can do; empty when nothing need be done.</param>
/// <param name="Certificate">The certificate, if one could be read.</param>
public sealed record EndorsementAppraisal(EndorsementVerdict Verdict, string Sentence, string Remedy, EndorsementCertificate? Certificate);

/// <summary>Asks who made a TPM. Never goes to a network: what is not given is not known.</summary>
public static class EndorsementCheck
{
    /// <summary>
    /// Judges the certificate that came with an endorsement key. The first fault is told, in this order: none, unreadable, for something else,
    /// another key, issuer, time.
    /// Source: TCG EK Credential Profile, "EK Credential Validation"; RFC 5280 section 6.
    /// </summary>
    /// <param name="certificate">The certificate as it came; empty when none did.</param>
    /// <param name="key">The registered endorsement key.</param>
    /// <param name="authorities">Whom this site believes.</param>
    /// <param name="time">The clock.</param>
    public static EndorsementAppraisal Check(ReadOnlySpan<byte> certificate, EndorsementKey key, EndorsementAuthorities authorities, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(authorities);
        ArgumentNullException.ThrowIfNull(time);
        // An unwritten place of a TPM's store is all zeros.
        if (!certificate.ContainsAnyExcept((byte)0))
        {
            return new(EndorsementVerdict.NoCertificate, "The TPM has no certificate of its maker, so nothing tells whether it is a real one.",
                "Ask the maker of the host for the TPM's certificate, or compare its endorsement key by hand.", null);
        }
        if (!EndorsementCertificate.Parse(certificate).TryGet(out var read, out var refusal))
            return new(EndorsementVerdict.Unreadable, refusal.Message, "Read the certificate out of the TPM again.", null);
        return Check(read, key, authorities, time.GetUtcNow());
    }

    private static EndorsementAppraisal Check(EndorsementCertificate certificate, EndorsementKey key, EndorsementAuthorities authorities, DateTimeOffset now)
    {
        if (!certificate.IsForEndorsement)
        {
            return new(EndorsementVerdict.NotForEndorsement, "The certificate is for something else than a TPM's endorsement key.",
                "Have the agent send the certificate of the endorsement key.", certificate);
        }
        if (!certificate.Certifies(key))
        {
            return new(EndorsementVerdict.KeyDiffers, "The certificate is that of another key than the registered endorsement key.",
                "Have the agent send key and certificate of one kind; if it does, somebody lent the host a certificate.", certificate);
        }
        var (faults, names) = Build(certificate, authorities, now);
        if (faults is not { } found)
        {
            return new(EndorsementVerdict.Unreadable, "The certificate is of a kind whose chain of issuers cannot be checked on this platform.",
                "Compare the host's endorsement key by hand, or use another of its TPM's keys.", certificate);
        }
        if ((found & ~X509ChainStatusFlags.NotTimeValid) != 0)
        {
            return new(EndorsementVerdict.UnknownIssuer,
                found.HasFlag(X509ChainStatusFlags.NotSignatureValid)
                    ? $"The certificate names {certificate.Issuer} as its issuer, who did not sign it."
                    : $"The certificate was issued by {certificate.Issuer}, who leads to no TPM maker this site believes.",
                "Add the maker's root and intermediate certificates after checking where they come from, or refuse the host.", certificate);
        }
        if (found != X509ChainStatusFlags.NoError)
        {
            return new(EndorsementVerdict.OutOfDate, OutOfDate(certificate, now),
                "Check the portal's clock; if it is right, ask the maker of the host for a current certificate.", certificate);
        }
        return VirtualTpms.IsOne(certificate, names)
            ? new(EndorsementVerdict.VirtualTpm, $"The certificate is valid, but its issuer {certificate.Issuer} makes virtual TPMs: whoever runs the machine under this one can forge what it says.",
                "Use it for tests, or where you trust what runs underneath; a physical host has a TPM of a chip maker.", certificate)
            : new(EndorsementVerdict.Valid, $"The TPM is genuine: {certificate.Issuer} vouches for its endorsement key.", "", certificate);
    }

    /// <summary>All faults of the chain, and the names in it; null when it cannot be checked.</summary>
    private static (X509ChainStatusFlags? Faults, IReadOnlyList<string> Names) Build(EndorsementCertificate certificate, EndorsementAuthorities authorities, DateTimeOffset now)
    {
        using var leaf = X509CertificateLoader.LoadCertificate(certificate.Der.Span);
        var built = Build(leaf, authorities, now);
        if (built.Faults is not null)
            return built;
        if (EndorsementIssuer.Find(leaf, authorities) is not { } issuer)
            return (X509ChainStatusFlags.PartialChain, []);
        built = Build(issuer, authorities, now);
        var isInTime = certificate.NotBefore <= now && now <= certificate.NotAfter;
        return (built.Faults | (isInTime ? X509ChainStatusFlags.NoError : X509ChainStatusFlags.NotTimeValid), built.Names);
    }

    private static (X509ChainStatusFlags? Faults, IReadOnlyList<string> Names) Build(X509Certificate2 leaf, EndorsementAuthorities authorities, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities.Roots);
        chain.ChainPolicy.ExtraStore.AddRange(authorities.Intermediates);
        chain.ChainPolicy.DisableCertificateDownloads = true;
        // Makers of TPMs publish no usable revocation for single chips; asking would also need the network.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        try
        {
            var isValid = chain.Build(leaf);
            var faults = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (sum, status) => sum | status.Status);
            var names = chain.ChainElements.Select(element => element.Certificate.Subject).ToList();
            return (isValid || faults != X509ChainStatusFlags.NoError ? faults : null, names);
        }
        catch (CryptographicException)
        {
            return (null, []);
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
        }
    }

    private static string OutOfDate(EndorsementCertificate certificate, DateTimeOffset now)
    {
        if (now < certificate.NotBefore)
            return string.Create(CultureInfo.InvariantCulture, $"The certificate becomes valid only on {certificate.NotBefore:yyyy-MM-dd}.");
        return now > certificate.NotAfter
            ? string.Create(CultureInfo.InvariantCulture, $"The certificate ended on {certificate.NotAfter:yyyy-MM-dd}.")
            : "A certificate above the TPM's own is not valid at this time.";
    }
}
