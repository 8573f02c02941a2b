using System.Globalization;
using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>
/// White lists on a server, read and written row by row. The request that replaces a whole list is never sent: it deletes rows while it checks
/// the new ones, and without any it deletes all. A server's "true" proves nothing: who writes reads back.
/// </summary>
/// <param name="wire">The way to the server.</param>
/// <param name="dialects">Which dialect it speaks.</param>
internal sealed class OatWhiteLists(OatWire wire, OatDialects dialects)
{
    /// <summary>Canonical text: a row per line, by PCR.</summary>
    public static string Text(IEnumerable<KeyValuePair<int, string>> rows) =>
        string.Join('\n', rows.OrderBy(r => r.Key).Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key}={r.Value.ToLowerInvariant()}")));

    /// <summary>Every list the server keeps.</summary>
    public async Task<IReadOnlyList<KeptPolicy>> ListAsync(CancellationToken ct)
    {
        var rows = await wire.ReadAsync(await dialects.OfAsync(ct), HttpMethod.Get, OatPaths.With(OatPaths.Mles, ("searchCriteria", "")), null, OatJson.List, ct);
        return [.. rows.Select(row => wire.Read(new OatAnswer(row, null, null), Listed)).Where(p => p.Name.Length > 0)];
    }

    /// <summary>What is in a list; null when there is no such list.</summary>
    public async Task<string?> ReadAsync(OatMle mle, CancellationToken ct) => await RowsAsync(mle, ct) is { } rows ? Text(rows) : null;

    /// <summary>Makes a list hold these rows; null takes it away.</summary>
    public async Task WriteAsync(OatMle mle, string? content, CancellationToken ct)
    {
        var dialect = await dialects.OfAsync(ct);
        var present = await RowsAsync(mle, ct);
        if (content is null)
        {
            await RemoveAsync(dialect, mle, present, ct);
            return;
        }

        if (present is null)
        {
            await MakeAsync(dialect, mle, ct);
            present = [];
        }

        var wanted = Parse(content);
        foreach (var (pcr, digest) in wanted)
        {
            if (!present.TryGetValue(pcr, out var had))
            {
                await wire.ChangeAsync(dialect, HttpMethod.Post, OatPaths.WhiteList, mle.Row(pcr, digest), ct);
            }
            else if (!string.Equals(had, digest, StringComparison.OrdinalIgnoreCase))
            {
                await wire.ChangeAsync(dialect, HttpMethod.Put, OatPaths.WhiteList, mle.Row(pcr, digest), ct);
            }
        }

        foreach (var pcr in present.Keys.Except(wanted.Keys))
        {
            await RemoveRowAsync(dialect, mle, pcr, ct);
        }
    }

    private async Task<SortedDictionary<int, string>?> RowsAsync(OatMle mle, CancellationToken ct)
    {
        var dialect = await dialects.OfAsync(ct);
        var answer = await wire.SendAsync(HttpMethod.Get, OatPaths.With(OatPaths.Manifest, mle.Query()), null, ct);
        if (answer.Fault is { } fault)
        {
            return OatErrors.Of(dialect, fault) is OatMeaning.ListMissing ? null : throw wire.Explain(dialect, fault);
        }

        return wire.Read(answer, json => Rows(json, mle));
    }

    /// <summary>A server that finds nothing may answer with an empty list of another name, or with nothing.</summary>
    private static SortedDictionary<int, string>? Rows(JsonElement json, OatMle mle)
    {
        if (json.ValueKind == JsonValueKind.Null || OatJson.Text(json, "Name") != mle.Name)
        {
            return null;
        }

        var rows = new SortedDictionary<int, string>();
        foreach (var row in OatJson.List(json, "MLE_Manifests"))
        {
            // A row that cannot be read is no row of ours, and must not read back as if it were not there.
            var (pcr, value) = (OatJson.Pcr(row, "Name"), OatJson.Text(row, "Value"));
            if (pcr is not { } number || !rows.TryAdd(number, value.ToLowerInvariant()))
            {
                throw new JsonException("a white list with a row that is no PCR, or twice the same");
            }
        }

        return rows;
    }

    private static KeptPolicy Listed(JsonElement row)
    {
        var isFirmware = OatJson.Text(row, "MLE_Type") == "BIOS";
        var (maker, version) = isFirmware ? (OatJson.Text(row, "OemName"), "") : (OatJson.Text(row, "OsName"), OatJson.Text(row, "OsVersion"));
        var mle = new OatMle(isFirmware, maker, version, OatJson.Text(row, "Name"), OatJson.Text(row, "Version"));
        return new KeptPolicy(mle.Key, isFirmware ? KeptPolicyKind.FirmwareWhiteList : KeptPolicyKind.HypervisorWhiteList, OatJson.Shown($"{mle.Name} {mle.Version}".Trim()));
    }

    private async Task MakeAsync(OatDialect dialect, OatMle mle, CancellationToken ct)
    {
        var (path, maker) = mle.IsFirmware
            ? (OatPaths.Oem, new Dictionary<string, string>(StringComparer.Ordinal) { ["Name"] = mle.Maker, ["Description"] = "The portal" })
            : (OatPaths.Os, new Dictionary<string, string>(StringComparer.Ordinal) { ["Name"] = mle.Maker, ["Version"] = mle.MakerVersion, ["Description"] = "The portal" });
        await UnlessThereAsync(dialect, path, maker, ct);
        await UnlessThereAsync(dialect, OatPaths.Mles, mle.Body(), ct);
    }

    private async Task UnlessThereAsync(OatDialect dialect, string path, object body, CancellationToken ct)
    {
        var answer = await wire.SendAsync(HttpMethod.Post, path, body, ct);
        if (answer.Fault is { } fault && OatErrors.Of(dialect, fault) != OatMeaning.Exists)
        {
            throw wire.Explain(dialect, fault);
        }
    }

    private async Task RemoveAsync(OatDialect dialect, OatMle mle, SortedDictionary<int, string>? present, CancellationToken ct)
    {
        if (present is null)
        {
            return;
        }

        foreach (var pcr in present.Keys)
        {
            await RemoveRowAsync(dialect, mle, pcr, ct);
        }

        await wire.ChangeAsync(dialect, HttpMethod.Delete, OatPaths.With(OatPaths.Mles, mle.Query()), null, ct);
        await RemoveMakerAsync(dialect, mle, ct);
    }

    /// <summary>The OEM or OS that was made for it goes with the last white list of it. Somebody else's stays, and so does one that may be in use.</summary>
    private async Task RemoveMakerAsync(OatDialect dialect, OatMle mle, CancellationToken ct)
    {
        if (mle.Maker != OatWanted.Maker)
        {
            return;
        }

        var left = await wire.ReadAsync(dialect, HttpMethod.Get, OatPaths.With(OatPaths.Mles, ("searchCriteria", "")), null, OatJson.List, ct);
        if (left.Any(list => MayBeOf(list, mle)))
        {
            return;
        }

        var maker = mle.IsFirmware ? OatPaths.With(OatPaths.Oem, ("Name", mle.Maker)) : OatPaths.With(OatPaths.Os, ("Name", mle.Maker), ("Version", mle.MakerVersion));
        var answer = await wire.SendAsync(HttpMethod.Delete, maker, null, ct);
        if (answer.Fault is { } fault && OatErrors.Of(dialect, fault) is not (OatMeaning.InUse or OatMeaning.ListMissing))
        {
            throw wire.Explain(dialect, fault);
        }
    }

    /// <summary>Whether a white list is of the same OEM or OS; also where the server does not say whose it is.</summary>
    private static bool MayBeOf(JsonElement list, OatMle mle)
    {
        var maker = OatJson.Text(list, mle.IsFirmware ? "OemName" : "OsName");
        return (OatJson.Text(list, "MLE_Type") == "BIOS") == mle.IsFirmware
            && (maker.Length == 0 || (maker == mle.Maker && (mle.IsFirmware || OatJson.Text(list, "OsVersion") == mle.MakerVersion)));
    }

    private Task<bool> RemoveRowAsync(OatDialect dialect, OatMle mle, int pcr, CancellationToken ct) =>
        wire.ChangeAsync(dialect, HttpMethod.Delete, OatPaths.With(OatPaths.WhiteList, [("pcrName", pcr.ToString(CultureInfo.InvariantCulture)), .. mle.Query()]), null, ct);

    private static SortedDictionary<int, string> Parse(string content) => new(content.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split('='))
        .ToDictionary(parts => int.Parse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture), parts => parts[1]));
}
