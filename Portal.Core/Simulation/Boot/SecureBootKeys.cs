using System.Formats.Asn1;
using System.Numerics;

namespace Portal.Core.Simulation.Boot;

/// <summary>Contents of the Secure Boot variables. The certificates have the form of certificates; nobody holds their keys.</summary>
internal static class SecureBootKeys
{
    private static readonly Guid MicrosoftOwner = new("77fa9abd-0359-4d32-bd60-28f4e78f784b");

    public static byte[] PlatformKey(string vendor) =>
        UefiBytes.CertificateList(Seeded.Guid($"owner {vendor}"), Certificate($"{vendor} Platform Key", vendor));

    public static byte[] KeyExchangeKeys(string vendor) =>
    [
        .. UefiBytes.CertificateList(Seeded.Guid($"owner {vendor}"), Certificate($"{vendor} Key Exchange Key", vendor)),
        .. UefiBytes.CertificateList(MicrosoftOwner, Certificate("Simulated Corporation KEK 2K CA 2023", "Simulated Corporation")),
    ];

    public static byte[] Allowed(string vendor) =>
    [
        .. UefiBytes.CertificateList(MicrosoftOwner, ThirdPartyAuthority),
        .. UefiBytes.CertificateList(MicrosoftOwner, Certificate("Simulated Production PCA 2023", "Simulated Corporation")),
        .. UefiBytes.CertificateList(Seeded.Guid($"owner {vendor}"), Certificate($"{vendor} UEFI DB", vendor)),
    ];

    public static byte[] Forbidden(int revocations) =>
        UefiBytes.DigestList(MicrosoftOwner, [.. Enumerable.Range(0, revocations).Select(n => Seeded.Bytes($"revoked {n}", 32))]);

    /// <summary>The entry of db that vouches for shim.</summary>
    public static byte[] ShimAuthority => UefiBytes.SignatureData(MicrosoftOwner, ThirdPartyAuthority);

    /// <summary>The certificate built into shim that vouches for GRUB and the kernel.</summary>
    public static byte[] VendorCertificate { get; } = Certificate("Simulated Secure Boot CA 5", "Simulated Linux, Inc.");

    private static byte[] ThirdPartyAuthority { get; } = Certificate("Simulated UEFI CA 2023", "Simulated Corporation");

    /// <summary>An X.509 v3 certificate in DER, made of its names: key and signature are only bytes.</summary>
    private static byte[] Certificate(string commonName, string organization)
    {
        var modulus = new BigInteger(Seeded.Bytes($"modulus {commonName}", 255), isUnsigned: true, isBigEndian: true) | BigInteger.One | (BigInteger.One << 2047);
        var key = new AsnWriter(AsnEncodingRules.DER);
        using (key.PushSequence())
        {
            key.WriteInteger(modulus);
            key.WriteInteger(65537);
        }

        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                {
                    writer.WriteInteger(2);
                }

                writer.WriteInteger(new BigInteger(Seeded.Bytes($"serial {commonName}", 15), isUnsigned: true));
                Algorithm(writer, "1.2.840.113549.1.1.11");
                Name(writer, commonName, organization);
                using (writer.PushSequence())
                {
                    writer.WriteUtcTime(new DateTimeOffset(2023, 6, 13, 0, 0, 0, TimeSpan.Zero));
                    writer.WriteUtcTime(new DateTimeOffset(2038, 6, 13, 0, 0, 0, TimeSpan.Zero));
                }

                Name(writer, commonName, organization);
                using (writer.PushSequence())
                {
                    Algorithm(writer, "1.2.840.113549.1.1.1");
                    writer.WriteBitString(key.Encode());
                }
            }

            Algorithm(writer, "1.2.840.113549.1.1.11");
            writer.WriteBitString(Seeded.Bytes($"signature {commonName}", 256));
        }

        return writer.Encode();
    }

    private static void Algorithm(AsnWriter writer, string oid)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            writer.WriteNull();
        }
    }

    private static void Name(AsnWriter writer, string commonName, string organization)
    {
        using (writer.PushSequence())
        {
            Attribute(writer, "2.5.4.10", organization);
            Attribute(writer, "2.5.4.3", commonName);
        }
    }

    private static void Attribute(AsnWriter writer, string oid, string value)
    {
        using (writer.PushSetOf())
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            writer.WriteCharacterString(UniversalTagNumber.UTF8String, value);
        }
    }
}
