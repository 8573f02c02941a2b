using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.OpenAttestation;

/// <summary>A host registered on the server.</summary>
internal sealed class OatHost
{
    /// <summary>What the server says of it: any word.</summary>
    public string Level { get; set; } = "trusted";

    /// <summary>Its <c>vtime</c> when it was not measured now; null for now.</summary>
    public string? Stamp { get; set; }

    /// <summary>PCRs that differ, with what was measured and what the white list has.</summary>
    public Dictionary<int, (string Measured, string Expected)> Differing { get; } = [];

    /// <summary>Whether its why is never answered.</summary>
    public bool HidesWhy { get; set; }

    /// <summary>1.x: untrusted this once only because its report changed.</summary>
    public bool ReportChanged { get; set; }

    /// <summary>What it says of both parts where that does not follow from the PCRs.</summary>
    public (bool Bios, bool Vmm)? Parts { get; set; }

    /// <summary>1.7: its report stays another than the one before.</summary>
    public bool ReportDiffers { get; set; }

    public Dictionary<string, string> Record { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// An OpenAttestation server of either dialect as its sources have it: mapped JSON with lists of one as objects and none as null, or plain arrays;
/// errors of both; "true" for updates that fail, on command.
/// </summary>
internal sealed class OatServer : ContractServer
{
    /// <summary>Speaks as 1.5 to 1.7 did; else as 2.0 to 2.3.</summary>
    public bool IsFirst { get; init; }

    public ConcurrentDictionary<string, OatHost> Hosts { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>White lists by "name version".</summary>
    public ConcurrentDictionary<string, SortedDictionary<string, string>> Lists { get; } = new(StringComparer.Ordinal);

    /// <summary>Whose each white list is: the name of an OEM, or name and version of an OS.</summary>
    public ConcurrentDictionary<string, string> Owners { get; } = new(StringComparer.Ordinal);

    /// <summary>OEMs and OSs.</summary>
    public ConcurrentDictionary<string, bool> Makers { get; } = new(StringComparer.Ordinal);

    /// <summary>Says true to changes of white lists and makes none.</summary>
    public bool OnlySaysTrue { get; set; }

    /// <summary>Requests that would replace a whole white list.</summary>
    public int WholeListsReplaced { get; private set; }

    /// <summary>Whether any request named a time threshold.</summary>
    public bool WasGivenAThreshold { get; private set; }

    public OatHost Add(string name)
    {
        var host = new OatHost();
        (host.Record["HostName"], host.Record["IPAddress"], host.Record["Port"]) = (name, "10.0.0.1", "9999");
        return Hosts[name] = host;
    }

    protected override bool Changes(HttpRequest request) => base.Changes(request) && !request.Path.Value!.EndsWith("/PollHosts", StringComparison.Ordinal);

    protected override async Task HandleAsync(HttpContext http)
    {
        var path = http.Request.Path.Value!.Replace("/AttestationService/resources", "", StringComparison.Ordinal).Replace("/WLMService/resources", "", StringComparison.Ordinal);
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync();
        var body = text.Length == 0 ? null : JsonNode.Parse(text)!.AsObject();
        await ((http.Request.Method, path) switch
        {
            ("POST", "/PollHosts") => PollAsync(http, body!),
            ("GET", "/hosts") => ListAsync(http, "hostBean", [.. Hosts.Values.Select(h => h.Record).Where(r => r["HostName"].Contains(http.Request.Query["searchCriteria"].ToString(), StringComparison.OrdinalIgnoreCase))]),
            ("PUT", "/hosts") => BindAsync(http, body!),
            ("GET", "/hosts/trust") => TrustAsync(http),
            ("GET", "/hosts/reports/attestationreport") => ReportAsync(http),
            ("GET", "/oem") => ListAsync(http, "oem", [.. Makers.Keys.Select(name => new Dictionary<string, string>(StringComparer.Ordinal) { ["Name"] = name, ["Description"] = "" })]),
            ("GET", "/os") => ListAsync(http, "os", []),
            ("POST", "/oem" or "/os") => MakerAsync(http, body!),
            ("DELETE", "/oem" or "/os") => NoMakerAsync(http),
            ("GET", "/mles") => ListAsync(http, "mleBean", [.. Owners.Select(Mle)]),
            ("POST", "/mles") => MleAsync(http, body!),
            ("PUT", "/mles") => ReplacedAsync(http),
            ("DELETE", "/mles") => ForgetAsync(http),
            ("GET", "/mles/manifest") => ManifestAsync(http),
            ("POST" or "PUT", "/mles/whitelist/pcr") => RowAsync(http, body!),
            ("DELETE", "/mles/whitelist/pcr") => NoRowAsync(http),
            _ => NotFoundAsync(http),
        });
    }

    private static string KeyOf(HttpContext http) => $"{http.Request.Query["mleName"]} {http.Request.Query["mleVersion"]}";

    private static Task NotFoundAsync(HttpContext http)
    {
        http.Response.StatusCode = 404;
        return Task.CompletedTask;
    }

    private Task DoneAsync(HttpContext http)
    {
        http.Response.ContentType = "text/plain";
        return http.Response.WriteAsync(IsFirst ? "True" : "true");
    }

    private Task FaultAsync(HttpContext http, string first, string second, string message) => WriteAsync(
        http, 400, JsonSerializer.Serialize(new Dictionary<string, string>(StringComparer.Ordinal) { ["error_code"] = IsFirst ? first : second, ["error_message"] = message }));

    private Task ListAsync(HttpContext http, string wrapper, List<Dictionary<string, string>> rows) => WriteAsync(http, 200, (IsFirst, rows.Count) switch
    {
        (false, _) => JsonSerializer.Serialize(rows),
        (true, 0) => "null",
        (true, 1) => JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal) { [wrapper] = rows[0] }),
        (true, _) => JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal) { [wrapper] = rows }),
    });

    private Task PollAsync(HttpContext http, JsonObject body)
    {
        WasGivenAThreshold |= body.ContainsKey("timeThreshold");
        var answers = body["hosts"]!.AsArray().Select(n => n!.GetValue<string>()).Select(name =>
        {
            var host = Hosts.GetValueOrDefault(name);
            var answer = new JsonObject { ["host_name"] = name, ["trust_lvl"] = host is { ReportChanged: true } ? "untrusted" : host?.Level ?? "unknown" };
            if (host is { ReportChanged: true })
            {
                host.ReportChanged = false;
            }

            if (host?.Level != "pending")
            {
                answer["vtime"] = host?.Stamp ?? Clock.ToString(IsFirst ? "yyyy-MM-dd'T'HH:mm:ss.fffzzz" : "yyyy-MM-dd'T'HH:mm:ss.fff'+0000'", CultureInfo.InvariantCulture);
            }

            if (body.ContainsKey("analysisType") && host is not null)
            {
                answer["analysis_details"] = new JsonArray(
                [
                    .. host.Differing.Keys.Select(pcr => Check("VALIDATE_PCR", passed: false, string.Create(CultureInfo.InvariantCulture, $"PCR #{pcr} mismatch."))),
                    Check("COMPARE_REPORT", passed: !host.ReportDiffers, ""),
                ]);
            }

            return (JsonNode)answer;
        }).ToArray();
        return WriteAsync(http, 200, new JsonObject { ["hosts"] = new JsonArray(answers) }.ToJsonString());
    }

    private static JsonObject Check(string name, bool passed, string output) =>
        new() { ["name"] = name, ["result"] = passed ? "true" : "false", ["status"] = "ANALYSIS_COMPLETED", ["output"] = output };

    private Task TrustAsync(HttpContext http)
    {
        var host = Hosts[http.Request.Query["hostName"].ToString()];
        var parts = host.Parts ?? (!host.Differing.Keys.Any(p => p < 8), !host.Differing.Keys.Any(p => p >= 8));
        return WriteAsync(http, 200, JsonSerializer.Serialize(new { hostname = "x", trust = new { bios = parts.Bios, vmm = parts.Vmm, location = false } }));
    }

    private async Task ReportAsync(HttpContext http)
    {
        var host = Hosts[http.Request.Query["hostName"].ToString()];
        if (host.HidesWhy)
        {
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
            return;
        }

        var rows = host.Differing.Select(d => new { Name = d.Key, TrustStatus = 0, Value = d.Value.Measured, WhitelistValue = d.Value.Expected });
        await WriteAsync(http, 200, JsonSerializer.Serialize(new { PcrLogReport = rows }));
    }

    private Task BindAsync(HttpContext http, JsonObject body)
    {
        if (!Hosts.TryGetValue(body["HostName"]!.GetValue<string>(), out var host))
        {
            return FaultAsync(http, "2000", "AS_HOST_NOT_FOUND", "no such host");
        }

        foreach (var (name, value) in body)
        {
            host.Record[name] = value!.GetValue<string>();
        }

        return DoneAsync(http);
    }

    private Task MakerAsync(HttpContext http, JsonObject body) => Makers.TryAdd($"{body["Name"]} {body["Version"]}".Trim(), true)
        ? DoneAsync(http)
        : FaultAsync(http, "1006", "WS_OEM_ALREADY_EXISTS", "Data Error - it already exists in the database");

    private Task NoMakerAsync(HttpContext http)
    {
        var maker = $"{http.Request.Query["Name"]} {http.Request.Query["Version"]}".Trim();
        return Owners.Values.Contains(maker, StringComparer.Ordinal) ? FaultAsync(http, "2012", "WS_OEM_ASSOCIATION_EXISTS", "it is associated with an MLE")
            : Makers.TryRemove(maker, out _) ? DoneAsync(http)
            : FaultAsync(http, "1006", "WS_OEM_DOES_NOT_EXIST", "Data Error - it does not exist in the database");
    }

    private static Dictionary<string, string> Mle(KeyValuePair<string, string> owned)
    {
        var (names, owner) = (owned.Key.Split(' '), owned.Value.Split(' '));
        var row = new Dictionary<string, string>(StringComparer.Ordinal) { ["Name"] = string.Join(' ', names[..^1]), ["Version"] = names[^1], ["MLE_Type"] = owner.Length == 1 ? "BIOS" : "VMM" };
        foreach (var (name, value) in owner is [var os, var version] ? [("OsName", os), ("OsVersion", version)] : ((string, string)[])[("OemName", owner[0])])
        {
            row[name] = value;
        }

        return row;
    }

    private Task MleAsync(HttpContext http, JsonObject body)
    {
        var (maker, name) = ($"{body["OemName"] ?? body["OsName"]} {body["OsVersion"]}".Trim(), $"{body["Name"]} {body["Version"]}");
        if (!Makers.ContainsKey(maker))
        {
            return FaultAsync(http, "1006", "WS_OEM_DOES_NOT_EXIST", "Data Error - OEM or OS does not exist");
        }

        if (!Lists.TryAdd(name, []))
        {
            return FaultAsync(http, "1006", "WS_MLE_ALREADY_EXISTS", "MLE already exists");
        }

        Owners[name] = maker;
        return DoneAsync(http);
    }

    private Task ReplacedAsync(HttpContext http)
    {
        WholeListsReplaced++;
        return DoneAsync(http);
    }

    private Task ForgetAsync(HttpContext http) =>
        Lists.TryRemove(KeyOf(http), out _) && Owners.TryRemove(KeyOf(http), out _) ? DoneAsync(http) : FaultAsync(http, "1007", "WS_MLE_DOES_NOT_EXIST", "MLE not found");

    private Task ManifestAsync(HttpContext http)
    {
        if (!Lists.TryGetValue(KeyOf(http), out var rows))
        {
            return FaultAsync(http, "1007", "WS_MLE_DOES_NOT_EXIST", "MLE not found");
        }

        var manifests = rows.Select(r => (JsonNode)new JsonObject { ["Name"] = r.Key, ["Value"] = r.Value }).ToList();
        var answer = new JsonObject { ["Name"] = http.Request.Query["mleName"].ToString(), ["Version"] = http.Request.Query["mleVersion"].ToString(), ["OemName"] = IsFirst ? "null" : null };
        answer["MLE_Manifests"] = (IsFirst, manifests.Count) switch
        {
            (true, 0) => null,
            (true, 1) => manifests[0],
            _ => new JsonArray([.. manifests]),
        };
        return WriteAsync(http, 200, answer.ToJsonString());
    }

    private Task RowAsync(HttpContext http, JsonObject body)
    {
        if (!Lists.TryGetValue($"{body["mleName"]} {body["mleVersion"]}", out var rows))
        {
            return FaultAsync(http, "1006", "WS_MLE_DOES_NOT_EXIST", "MLE does not exist");
        }

        if (!OnlySaysTrue)
        {
            rows[body["pcrName"]!.GetValue<string>()] = body["pcrDigest"]!.GetValue<string>();
        }

        return DoneAsync(http);
    }

    private Task NoRowAsync(HttpContext http)
    {
        if (!OnlySaysTrue && Lists.TryGetValue(KeyOf(http), out var rows))
        {
            rows.Remove(http.Request.Query["pcrName"].ToString());
        }

        return DoneAsync(http);
    }
}
