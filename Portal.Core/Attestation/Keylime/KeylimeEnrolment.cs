using System.Security.Cryptography;
using System.Text.Json;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>Takes agents out of the registrar's list and has the verifier ask them.</summary>
/// <param name="http">The way to both.</param>
/// <param name="agents">Enrols.</param>
/// <param name="identity">Has agents show their key.</param>
internal sealed class KeylimeEnrolment(KeylimeHttp http, AgentPolicies agents, AgentIdentity identity) : IAttesterEnrolment
{
    /// <inheritdoc/>
    public async Task<WaitingAttester?> WaitingAsync(string name, CancellationToken ct) => await ReadAsync(name, ct) is { } registration
        ? new WaitingAttester(name, Bytes(registration.EndorsementKey), Bytes(registration.EndorsementCertificate), IdentityOf(registration))
        : null;

    /// <inheritdoc/>
    public async Task ProveAsync(WaitingAttester attester, CancellationToken ct) => await identity.ShowAsync(await SameAsync(attester, ct), ct);

    /// <inheritdoc/>
    public async Task EnrolAsync(WaitingAttester attester, IReadOnlyList<ServerPolicy> policies, CancellationToken ct)
    {
        var registration = await SameAsync(attester, ct);
        var runtime = policies.FirstOrDefault(p => p.Key == KeylimePolicies.AgentRuntimeKey(attester.Name))?.Content;
        await agents.EnrolAsync(
            new AgentEnrolment(attester.Name)
            {
                Digests = policies.FirstOrDefault(p => p.Key == KeylimePolicies.AgentKey(attester.Name))?.Content,
                RuntimeName = runtime,
                HasRuntimePolicy = runtime is not null,
                AttestationKey = registration.AttestationKey,
                ServerCertificate = registration.ServerCertificate,
                Ip = registration.Ip,
                Port = registration.Port,
            },
            ct);
    }

    private async Task<KeylimeRegistration?> ReadAsync(string name, CancellationToken ct) => AgentRegistration.IsAgentId(name) ? await KeylimeRegistration.ReadAsync(http, name, ct) : null;

    private async Task<KeylimeRegistration> SameAsync(WaitingAttester attester, CancellationToken ct) =>
        await ReadAsync(attester.Name, ct) is { } now && IdentityOf(now) == attester.Identity
            ? now
            : throw new ServerException(ServerFault.Failed, $"What registered as {KeylimeWords.Safe(attester.Name)} is another than a moment ago.", "Look at the host; then enrol it again.");

    private static string IdentityOf(KeylimeRegistration registration) => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(registration)));

    /// <summary>What is no base64 is no key and no certificate; that is found out where it is judged.</summary>
    private static ReadOnlyMemory<byte> Bytes(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length) ? bytes.AsMemory(0, length) : default;
    }
}
