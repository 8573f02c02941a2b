using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registrar;

/// <summary>
/// The kind of key an agent says it uses (<c>enc_alg</c>). Up to API 2.4 it is a family alone, <c>rsa</c> or <c>ecc</c>; since 2.5 it has the
/// length too, <c>rsa2048</c> or <c>ecc256</c>. Only a hint: the key itself says what it is.
/// </summary>
/// <param name="Type"><see cref="TpmAlgorithm.Rsa"/> or <see cref="TpmAlgorithm.Ecc"/>.</param>
/// <param name="Bits">Length of the modulus or of the curve's field; null when not said.</param>
public sealed record AgentKeyKind(TpmAlgorithm Type, int? Bits)
{
    private static readonly int[] s_rsa = [1024, 2048, 3072, 4096];
    private static readonly int[] s_ecc = [192, 224, 256, 384, 521];

    /// <summary>Reads either form; null for a word that is neither.</summary>
    /// <param name="text">What the agent sent.</param>
    public static AgentKeyKind? Parse(string? text) => text switch
    {
        "rsa" => new(TpmAlgorithm.Rsa, null),
        "ecc" => new(TpmAlgorithm.Ecc, null),
        ['r', 's', 'a', .. var bits] => Of(TpmAlgorithm.Rsa, s_rsa, bits),
        ['e', 'c', 'c', .. var bits] => Of(TpmAlgorithm.Ecc, s_ecc, bits),
        _ => null,
    };

    /// <summary>Whether a key is of this kind.</summary>
    /// <param name="area">The key.</param>
    public bool Fits(TpmtPublic area)
    {
        ArgumentNullException.ThrowIfNull(area);
        var bits = area.Type == TpmAlgorithm.Rsa ? area.KeyBits : area.Curve switch
        {
            TpmCurve.P192 => 192,
            TpmCurve.P224 => 224,
            TpmCurve.P256 => 256,
            TpmCurve.P384 => 384,
            TpmCurve.P521 => 521,
            _ => 0,
        };
        return area.Type == Type && (Bits is null || Bits == bits);
    }

    private static AgentKeyKind? Of(TpmAlgorithm type, int[] known, string text)
    {
        foreach (var bits in known)
        {
            if (string.Equals(text, bits.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal))
                return new(type, bits);
        }
        return null;
    }
}
