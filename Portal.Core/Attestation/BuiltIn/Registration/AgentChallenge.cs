using System.Security.Cryptography;
using System.Text;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// A secret that only the registering host's TPM can open, and only while it holds the registered attestation key: whoever proves to know
/// it has both keys in one TPM. Keep <see cref="Secret"/> until the agent answers, and no longer.
/// Source: keylime, registration protocol; TPM 2.0 Library Part 1, "Credential Protection".
/// </summary>
/// <param name="Secret">32 random bytes.</param>
/// <param name="Blob">What the agent is sent.</param>
public sealed record AgentChallenge(ReadOnlyMemory<byte> Secret, string Blob)
{
    private const int SecretSize = 32;

    /// <summary>A fresh challenge for a registration.</summary>
    /// <param name="registration">As it was read; its keys were accepted then.</param>
    public static AgentChallenge For(AgentRegistration registration)
    {
        ArgumentNullException.ThrowIfNull(registration);
        using var attestation = AttestationKey.Accept(registration.AttestationArea.Span).Value;
        var secret = RandomNumberGenerator.GetBytes(SecretSize);
        return new(secret, MakeCredential.For(registration.Endorsement, attestation, secret).ToBlob());
    }

    /// <summary>
    /// Whether an answer shows that the secret was opened: it is the HMAC-SHA384 of the agent's id under the secret in base64. Takes the same
    /// time for every wrong answer.
    /// </summary>
    /// <param name="secret">The secret that was wrapped.</param>
    /// <param name="agentId">The id the agent registered under.</param>
    /// <param name="activation">Its answer.</param>
    public static bool IsOpened(ReadOnlySpan<byte> secret, string agentId, AgentActivation activation)
    {
        ArgumentNullException.ThrowIfNull(activation);
        var key = Encoding.ASCII.GetBytes(Convert.ToBase64String(secret));
        return CryptographicOperations.FixedTimeEquals(HMACSHA384.HashData(key, Encoding.UTF8.GetBytes(agentId)), activation.AuthTag.Span);
    }
}

/// <summary>An agent's answer to its challenge.</summary>
/// <param name="AuthTag">48 bytes; see <see cref="AgentChallenge.IsOpened"/>.</param>
public sealed record AgentActivation(ReadOnlyMemory<byte> AuthTag)
{
    /// <summary>
    /// Reads the body of <c>PUT /v2.x/agents/{id}/activate</c>. Refused: a body that is no JSON object, a tag that is not 96 hexadecimal digits.
    /// </summary>
    /// <param name="body">The body, UTF-8.</param>
    public static Outcome<AgentActivation> Parse(ReadOnlyMemory<byte> body)
    {
        using var read = RegistrarBody.Read(body, out var refusal);
        if (read is null || !RegistrarBody.TryText(read.RootElement, "auth_tag", out var text, out refusal))
            return refusal!;
        var tag = new byte[HMACSHA384.HashSizeInBytes];
        return text?.Length == 2 * tag.Length && Convert.FromHexString(text, tag, out _, out _) == System.Buffers.OperationStatus.Done
            ? new AgentActivation(tag)
            : RegistrarBody.Invalid("auth_tag", $"The proof is not {2 * tag.Length} hexadecimal digits.");
    }
}
