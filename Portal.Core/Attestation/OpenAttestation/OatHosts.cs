using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>Hosts registered on a server, and which white lists each has.</summary>
/// <param name="wire">The way to the server.</param>
/// <param name="dialects">Which dialect it speaks.</param>
internal sealed class OatHosts(OatWire wire, OatDialects dialects)
{
    // What a record may hold beside its white lists; all of it is sent back as it came when those change.
    private static readonly string[] Kept = ["HostName", "IPAddress", "Port", "Email", "AddOn_Connection_String", "Description", "pcrIMLMask", "Location"];

    /// <summary>The key of a host's white lists.</summary>
    public static string Key(string name) => $"host/{Uri.EscapeDataString(name)}";

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

        var record = await FindAsync(name, ct) ?? throw new ServerException(
            ServerFault.Failed, $"{wire.Server} knows no host '{OatJson.Shown(name)}'.", "Register the host there with its agent first, or correct the name this host has on the service's page.");
        var body = Kept.Where(member => OatJson.Text(record, member).Length > 0).ToDictionary(member => member, member => OatJson.Text(record, member), StringComparer.Ordinal);
        foreach (var list in content.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(OatMle.Parse).OfType<OatMle>())
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
