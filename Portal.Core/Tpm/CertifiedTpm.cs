using System.Formats.Asn1;

namespace Portal.Core.Tpm;

/// <summary>The TPM a certificate is about, in its maker's words, made safe to show.</summary>
/// <param name="Manufacturer">The maker's registered id, such as <c>id:494E5443</c>; null when not given.</param>
/// <param name="Model">Model or part number; null when not given.</param>
/// <param name="Version">Firmware version, such as <c>id:00020008</c>; null when not given.</param>
public sealed record CertifiedTpm(string? Manufacturer, string? Model, string? Version)
{
    private const string ManufacturerAttribute = "2.23.133.2.1";
    private const string ModelAttribute = "2.23.133.2.2";
    private const string VersionAttribute = "2.23.133.2.3";
    private const int LongestText = 100;

    private static readonly Asn1Tag s_directoryName = new(TagClass.ContextSpecific, 4, isConstructed: true);

    /// <summary>A certificate that says nothing about its TPM.</summary>
    public static CertifiedTpm Unnamed { get; } = new(null, null, null);

    /// <summary>The manufacturer's id as its four letters, such as <c>INTC</c>, where it is letters; else as given.</summary>
    public string? ManufacturerLetters
    {
        get
        {
            if (Manufacturer is not ['i', 'd', ':', .. { Length: 8 } hex] || !hex.All(char.IsAsciiHexDigit))
                return Manufacturer;
            var letters = System.Text.Encoding.Latin1.GetString(Convert.FromHexString(hex)).TrimEnd('\0', ' ');
            return letters.Length > 0 && letters.All(char.IsAsciiLetterOrDigit) ? letters : Manufacturer;
        }
    }

    /// <summary>
    /// Reads the alternative name. Throws <see cref="AsnContentException"/>. Source: TCG EK Credential Profile, "Subject Alternative Name";
    /// RFC 5280 section 4.2.1.6. Makers put the three into one set or into three.
    /// </summary>
    internal static CertifiedTpm Read(byte[] alternativeName)
    {
        var named = Unnamed;
        for (var names = new AsnReader(alternativeName, AsnEncodingRules.BER).ReadSequence(); names.HasData;)
        {
            if (names.PeekTag() != s_directoryName)
            {
                names.ReadEncodedValue();
                continue;
            }
            for (var sets = names.ReadSequence(s_directoryName).ReadSequence(); sets.HasData;)
            {
                for (var set = sets.ReadSetOf(skipSortOrderValidation: true); set.HasData;)
                    named = named.With(set.ReadSequence());
            }
        }
        return named;
    }

    private CertifiedTpm With(AsnReader attribute) => attribute.ReadObjectIdentifier() switch
    {
        ManufacturerAttribute => this with { Manufacturer = Manufacturer ?? Text(attribute) },
        ModelAttribute => this with { Model = Model ?? Text(attribute) },
        VersionAttribute => this with { Version = Version ?? Text(attribute) },
        _ => this,
    };

    private static string? Text(AsnReader attribute) => attribute.PeekTag() switch
    {
        { TagClass: TagClass.Universal, TagValue: (int)UniversalTagNumber.UTF8String } => Text(attribute, UniversalTagNumber.UTF8String),
        { TagClass: TagClass.Universal, TagValue: (int)UniversalTagNumber.PrintableString } => Text(attribute, UniversalTagNumber.PrintableString),
        { TagClass: TagClass.Universal, TagValue: (int)UniversalTagNumber.IA5String } => Text(attribute, UniversalTagNumber.IA5String),
        _ => null,
    };

    private static string Text(AsnReader attribute, UniversalTagNumber type) => ClaimedText.Safe(attribute.ReadCharacterString(type), LongestText);
}
