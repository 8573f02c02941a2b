using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>How much speaks for an attester and a host being one machine. None of it is proof: a person confirms.</summary>
public enum MatchConfidence
{
    /// <summary>They are called alike.</summary>
    Weak,

    /// <summary>They are reached at the same address.</summary>
    Likely,

    /// <summary>They name the same hardware, or several things agree.</summary>
    Strong,
}

/// <summary>A registered attester that may be a host's.</summary>
/// <param name="RegistrationId">The registration.</param>
/// <param name="AgentId">What its agent calls itself.</param>
/// <param name="HostId">The host.</param>
/// <param name="HostName">The host's name.</param>
/// <param name="ClusterId">The host's cluster.</param>
/// <param name="Reasons">What speaks for it, each a sentence.</param>
/// <param name="Confidence">How much that is.</param>
public sealed record AttesterMatch(Guid RegistrationId, string AgentId, Guid HostId, string HostName, Guid ClusterId, IReadOnlyList<string> Reasons, MatchConfidence Confidence);

/// <summary>Proposes which waiting attester belongs to which host that has a hypervisor and no attester.</summary>
/// <param name="contexts">The database.</param>
/// <param name="registrations">What waits.</param>
public sealed class AttesterMatches(IDbContextFactory<PortalDbContext> contexts, RegistrationDirectory registrations)
{
    /// <summary>UUIDs that name no machine: those of boards nobody programmed, and the one keylime's example configuration gives every agent.</summary>
    private static readonly HashSet<Guid> Nobodys =
    [
        Guid.Empty, Guid.AllBitsSet, new("03000200-0400-0500-0006-000700080009"), new("d432fbb3-d2f1-4a97-9ef7-75bd81c00000"),
    ];

    /// <summary>All proposals, the most likely first.</summary>
    public async Task<IReadOnlyList<AttesterMatch>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.AsNoTracking().Where(h => h.LibvirtUri != null && !db.Attesters.Any(a => a.HostId == h.Id)).ToListAsync(ct);
        return hosts.Count == 0 ? [] : await MatchAsync(hosts, ct);
    }

    /// <summary>Proposals for one host: of its first attester, or of another for one that has one; the most likely first.</summary>
    public async Task<IReadOnlyList<AttesterMatch>> OfHostAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId && h.LibvirtUri != null, ct) is { } host ? await MatchAsync([host], ct) : [];
    }

    /// <summary>What speaks for a registration and a host being one machine; empty when nothing does.</summary>
    internal static (IReadOnlyList<string> Reasons, MatchConfidence Confidence) Compare(RegisteredAttester attester, IEnumerable<string> expectedNames, Host host)
    {
        var reasons = new List<string>();
        var confidence = MatchConfidence.Weak;
        if (Guid.TryParse(attester.AgentId, out var agent) && Guid.TryParse(host.Hardware.Uuid, out var board) && agent == board && !Nobodys.Contains(agent))
        {
            reasons.Add($"The agent is named by the hardware UUID of {host.Name}, {board}.");
            confidence = MatchConfidence.Strong;
        }

        var places = Places(host);
        if (places.Contains(attester.SeenFrom))
        {
            reasons.Add($"It registered from {attester.SeenFrom}, where {host.Name} is.");
            confidence = Max(confidence, MatchConfidence.Likely);
        }
        else if (attester.Address.Length > 0 && places.Contains(attester.Address))
        {
            reasons.Add($"It says that it listens at {attester.Address}, where {host.Name} is.");
            confidence = Max(confidence, MatchConfidence.Likely);
        }

        if (string.Equals(attester.AgentId, host.Name, StringComparison.OrdinalIgnoreCase))
        {
            reasons.Add($"Its agent calls itself {host.Name}.");
        }
        else if (expectedNames.Contains(host.Name, StringComparer.Ordinal))
        {
            reasons.Add($"Somebody expects a TPM with its key to be {host.Name}.");
        }

        return (reasons, reasons.Count > 1 ? MatchConfidence.Strong : confidence);
    }

    private async Task<IReadOnlyList<AttesterMatch>> MatchAsync(List<Host> hosts, CancellationToken ct)
    {
        var waiting = (await registrations.ListAsync(ct)).Where(r => r.Attester is { Status: RegistrationStatus.Waiting, Replaces: false });
        return [.. waiting
            .SelectMany(r => hosts.Select(h => Match(r, h)))
            .Where(m => m.Reasons.Count > 0)
            .OrderByDescending(m => m.Confidence).ThenByDescending(m => m.Reasons.Count).ThenBy(m => m.HostName, StringComparer.Ordinal).ThenBy(m => m.AgentId, StringComparer.Ordinal)];
    }

    private static AttesterMatch Match(Registration registration, Host host)
    {
        var (reasons, confidence) = Compare(registration.Attester, registration.Expected.Select(e => e.HostName), host);
        return new AttesterMatch(registration.Attester.Id, registration.Attester.AgentId, host.Id, host.Name, host.ClusterId, reasons, confidence);
    }

    private static HashSet<string> Places(Host host)
    {
        var places = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { host.Address };
        if (Uri.TryCreate(host.LibvirtUri, UriKind.Absolute, out var uri) && uri.Host.Length > 0)
        {
            places.Add(uri.IdnHost);
        }

        return places;
    }

    private static MatchConfidence Max(MatchConfidence one, MatchConfidence other) => one > other ? one : other;
}
