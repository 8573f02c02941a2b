using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>Hosts registered on a server, and which white lists each has.</summary>
/// <param name="wire">The way to the server.</param>
/// <param name="dialects">Which dialect it speaks.</param>
internal sealed class OatHosts(OatWire wire, OatDialects dialects)
{
    private const string Reach = "/reach";

    // What a record may hold beside its white lists; all of it is sent back as it came when those change.
    private static readonly string[] Kept = ["HostName", "IPAddress", "Port", "Email", "AddOn_Connection_String", "Description", "pcrIMLMask", "Location"];

    /// <summary>The key of a host's white lists.</summary>
    public static string Key(string name) => $"host/{Uri.EscapeDataString(name)}";

    /// <summary>The key of where a host's agent is reached.</summary>
    public static string ReachKey(string name) => $"{Key(name)}{Reach}";

    /// <summary>The host whose agent's address a key means; null for another key.</summary>
    public static string? ReachOf(string key) => key.StartsWith("host/", StringComparison.Ordinal) && key.EndsWith(Reach, StringComparison.Ordinal)
        ? Uri.UnescapeDataString(key["host/".Length..^Reach.Length])
        : null;

    /// <summary>Canonical text of which white lists a host has.</summary>
    public static string Text(IEnumerable<OatMle> lists) => string.Join('\n', lists.OrderBy(l => !l.IsFirmware).Select(l => l.ToText()));

    /// <summary>Every host the server knows.</summary>
    public async Task<IReadOnlyList<ServerAttester>> ListAsync(CancellationToken ct) =>
        [.. (await RecordsAsync("", ct)).Select(r => new ServerAttester(
            OatJson.Text(r, "HostName"),
            OatJson.Shown(OatJson.Text(r, "IPAddress")),
            true,
            Lists(r) is { Count: > 0 } lists ? string.Join(", ", lists.Select(l => OatJson.Shown($"{l.Name} {l.Version}"))) : "no white list")).Where(a => a.Name.Length > 0)];

    /// <summary>Which white lists a host has; null when the server does not know it.</summary>
    public async Task<string?> ReadAsync(string name, CancellationToken ct) => await FindAsync(name, ct) is { } record ? Text(wire.Read(new OatAnswer(record, null, null), Lists)) : null;

    /// <summary>Gives a host other white lists. A host that is not registered stays so: whoever registers it knows its agent.</summary>
    public async Task WriteAsync(string name, string? content, CancellationToken ct)
    {
        if (content is null)
        {
            return;
        }

        var record = await RecordAsync(name, ct);
        await SendAsync(record, content.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(OatMle.Parse).OfType<OatMle>(), [], ct);
    }

    /// <summary>Where a host's agent is reached: whoever changes it has another machine measured in its place. Null when the server does not know the host.</summary>
    public async Task<string?> ReadReachAsync(string name, CancellationToken ct) => await FindAsync(name, ct) is { } record ? ReachIn(record) : null;

    /// <summary>Puts an address back. A connection string may hold a password and is not kept here, so that it cannot be.</summary>
    public async Task WriteReachAsync(string name, string? content, CancellationToken ct)
    {
        var record = await RecordAsync(name, ct);
        if (content is null || content.Split('\n') is not [var address, var connection] || ReachIn(record).Split('\n')[1] != connection)
        {
            throw new ServerException(
                ServerFault.Failed,
                $"How {wire.Server} connects to the agent of '{OatJson.Shown(name)}' was changed, and cannot be put back from here, because it may hold a password.",
                "Set its connection string there as it was; or, if it is right as it is now, take the host's name on the service's page away and choose it again.");
        }

        await SendAsync(record, wire.Read(new OatAnswer(record, null, null), Lists), new Dictionary<string, string>(StringComparer.Ordinal) { ["IPAddress"] = address }, ct);
    }

    private static string ReachIn(JsonElement record)
    {
        var connection = OatJson.Text(record, "AddOn_Connection_String");
        return $"{OatJson.Text(record, "IPAddress").Trim()}\n{(connection.Length == 0 ? "" : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(connection))))}";
    }

    private async Task<JsonElement> RecordAsync(string name, CancellationToken ct) => await FindAsync(name, ct) ?? throw new ServerException(
        ServerFault.NothingThere, $"{wire.Server} knows no host '{OatJson.Shown(name)}'.", "Register the host there with its agent first, or correct the name this host has on the service's page.");

    private async Task SendAsync(JsonElement record, IEnumerable<OatMle> lists, Dictionary<string, string> changed, CancellationToken ct)
    {
        var body = Kept.Where(member => OatJson.Text(record, member).Length > 0).ToDictionary(member => member, member => OatJson.Text(record, member), StringComparer.Ordinal);
        foreach (var (member, text) in changed)
        {
            body[member] = text;
        }

        foreach (var list in lists)
        {
            if (list.IsFirmware)
            {
                (body["BIOS_Name"], body["BIOS_Version"], body["BIOS_Oem"]) = (list.Name, list.Version, list.Maker);
            }
            else
            {
                (body["VMM_Name"], body["VMM_Version"], body["VMM_OSName"], body["VMM_OSVersion"]) = (list.Name, list.Version, list.Maker, list.MakerVersion);
            }
        }

        await wire.ChangeAsync(await dialects.OfAsync(ct), HttpMethod.Put, OatPaths.Hosts, body, ct);
    }

    private async Task<JsonElement?> FindAsync(string name, CancellationToken ct)
    {
        // The criterion is a pattern on the server: what it finds is looked through here.
        foreach (var record in await RecordsAsync(name, ct))
        {
            if (string.Equals(OatJson.Text(record, "HostName"), name, StringComparison.OrdinalIgnoreCase))
            {
                return record;
            }
        }

        return null;
    }

    private async Task<IReadOnlyList<JsonElement>> RecordsAsync(string criterion, CancellationToken ct) => await wire.ReadAsync(
        await dialects.OfAsync(ct), HttpMethod.Get, OatPaths.With(OatPaths.Hosts, ("searchCriteria", criterion)), null, OatJson.List, ct);

    private static IReadOnlyList<OatMle> Lists(JsonElement record)
    {
        var lists = new List<OatMle>();
        if (OatJson.Text(record, "BIOS_Name") is { Length: > 0 } bios)
        {
            lists.Add(new OatMle(true, OatJson.Text(record, "BIOS_Oem"), "", bios, OatJson.Text(record, "BIOS_Version")));
        }

        if (OatJson.Text(record, "VMM_Name") is { Length: > 0 } vmm)
        {
            lists.Add(new OatMle(false, OatJson.Text(record, "VMM_OSName"), OatJson.Text(record, "VMM_OSVersion"), vmm, OatJson.Text(record, "VMM_Version")));
        }

        return lists;
    }
}
