using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.Outside;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier tells of an agent that failed: JSON inside a string inside JSON. Read only to know that it is one; what it says is never acted on.</summary>
/// <param name="AgentId">The agent, made harmless.</param>
/// <param name="Type"><c>revocation</c> or <c>comm_error</c>, made harmless.</param>
public sealed record KeylimeNotice(string AgentId, string Type)
{
    /// <summary>Longest body that is read, in bytes.</summary>
    public const int Longest = 256 << 10;

    /// <summary>Reads the body of a notice; null when it is none.</summary>
    public static KeylimeNotice? Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 8 });
            using var outer = JsonDocument.ParseValue(ref reader);
            if (outer.RootElement.ValueKind != JsonValueKind.Object || !outer.RootElement.TryGetProperty("msg", out var msg) || msg.ValueKind != JsonValueKind.String)
            {
                return null;
            }

            using var inner = JsonDocument.Parse(msg.GetString()!, new JsonDocumentOptions { MaxDepth = 8 });
            return inner.RootElement.ValueKind == JsonValueKind.Object && Text(inner.RootElement, "agent_id") is { Length: > 0 } id && Text(inner.RootElement, "type") is { Length: > 0 } type
                ? new KeylimeNotice(KeylimeWords.Safe(id), KeylimeWords.Safe(type))
                : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>
/// Takes notices of Keylime verifiers. Who may tell is whose certificate one of the configured verifiers' authorities vouches for; all that a notice
/// does is to have those verifiers read before their turn.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="reads">Has servers read soon.</param>
public sealed class KeylimeHook(IDbContextFactory<PortalDbContext> contexts, IEarlyReads reads)
{
    /// <summary>Verifiers whose pinned authority vouches for a client's certificate.</summary>
    public async Task<IReadOnlyList<Guid>> VouchedForAsync(X509Certificate2 certificate, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var servers = await db.AttestationServers.AsNoTracking().Where(s => s.Type == ServiceType.Keylime).Select(s => new { s.Id, s.Authority }).ToListAsync(ct);
        return [.. servers.Where(s => Vouches(s.Authority, certificate)).Select(s => s.Id)];
    }

    /// <summary>Has these verifiers read before their turn.</summary>
    public void Tell(IReadOnlyList<Guid> servers)
    {
        foreach (var server in servers)
        {
            reads.Read(server);
        }
    }

    private static bool Vouches(string authority, X509Certificate2 certificate)
    {
        try
        {
            using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
            chain.ChainPolicy.CustomTrustStore.ImportFromPem(authority);
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
            return chain.Build(certificate);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
