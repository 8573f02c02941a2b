using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Attestation.BuiltIn;

/// <summary>A nonce with what is bound into it.</summary>
/// <param name="Text">32 alphanumeric characters: TPMs may refuse more than 34 bytes.</param>
/// <param name="Random">The random part, kept with the receipt so that the binding can be shown later.</param>
public sealed record Nonce(string Text, byte[] Random)
{
    private const int Length = 32;

    /// <summary>A fresh nonce: truncated SHA-256 over a random part, the host, the purpose and the operations it is for.</summary>
    public static Nonce Mint(Guid hostId, AttestationPurpose purpose, IReadOnlyList<Guid> operations) =>
        Bind(RandomNumberGenerator.GetBytes(Length), hostId, purpose, operations);

    /// <summary>The nonce a given random part leads to; for checking a receipt.</summary>
    public static Nonce Bind(byte[] random, Guid hostId, AttestationPurpose purpose, IReadOnlyList<Guid> operations)
    {
        var bound = $"{hostId:N}|{purpose}|{string.Join(',', operations.Select(o => o.ToString("N")))}";
        var digest = SHA256.HashData([.. random, .. Encoding.ASCII.GetBytes(bound)]);
        return new Nonce(Convert.ToHexStringLower(digest)[..Length], random);
    }
}
