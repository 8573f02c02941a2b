using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Portal.E2E;

/// <summary>An answer of the REST API.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Body">The document; undefined when there is none.</param>
internal sealed record RestAnswer(int Status, JsonElement Body)
{
    public bool Succeeded => Status is >= 200 and < 300;

    public override string ToString() => $"{Status} {(Body.ValueKind is JsonValueKind.Undefined ? "" : Body.GetRawText())}";
}

/// <summary>A host as the REST API shows it.</summary>
internal sealed record RestHost(Guid Id, string Name, string Trust, string Reason, long Memory, long MemoryFree);

/// <summary>A VM as the REST API shows it.</summary>
internal sealed record RestVm(Guid Id, string Name, string Status, long Memory, string TrustLevel, Guid? HostId);

/// <summary>Speaks JSON to the REST API as one of the demo's users.</summary>
internal sealed class RestClient : IDisposable
{
    private readonly HttpClient http;

    public RestClient(Uri portal, string user)
    {
        http = new HttpClient { BaseAddress = new Uri(portal, "/ovirt-engine/api/"), Timeout = TimeSpan.FromMinutes(2) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:demo")));
        http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => http.Dispose();

    public async Task<RestAnswer> GetAsync(string path)
    {
        using var answer = await http.GetAsync(path, Ct);
        return await ReadAsync(answer);
    }

    public async Task<RestAnswer> PostAsync(string path, object body)
    {
        using var answer = await http.PostAsJsonAsync(path, body, Ct);
        return await ReadAsync(answer);
    }

    public async Task<RestAnswer> PutAsync(string path, object body)
    {
        using var answer = await http.PutAsJsonAsync(path, body, Ct);
        return await ReadAsync(answer);
    }

    public async Task<RestAnswer> DeleteAsync(string path)
    {
        using var answer = await http.DeleteAsync(path, Ct);
        return await ReadAsync(answer);
    }

    public async Task<IReadOnlyList<RestHost>> HostsAsync() =>
    [
        .. Items(await GetAsync("hosts"), "host").Select(h => new RestHost(
            h.GetProperty("id").GetGuid(),
            Text(h, "name"),
            Text(h.GetProperty("trust"), "status"),
            Text(h.GetProperty("trust"), "reason"),
            Number(h, "memory"),
            Number(h, "max_scheduling_memory"))),
    ];

    public async Task<IReadOnlyList<RestVm>> VmsAsync() =>
    [
        .. Items(await GetAsync("vms"), "vm").Select(v => new RestVm(
            v.GetProperty("id").GetGuid(),
            Text(v, "name"),
            Text(v, "status"),
            Number(v, "memory"),
            Text(v, "trust_level"),
            v.TryGetProperty("host", out var host) ? host.GetProperty("id").GetGuid() : null)),
    ];

    /// <summary>The host of this name, as soon as it is as asked.</summary>
    public Task<RestHost> HostAsync(string name, Func<RestHost, bool> isSo, string what) => Eventually.GetAsync(
        async () => (await HostsAsync()).SingleOrDefault(h => h.Name == name && isSo(h)),
        $"host {name} to be {what}");

    private static IEnumerable<JsonElement> Items(RestAnswer answer, string of)
    {
        if (!answer.Succeeded)
        {
            throw new HttpRequestException($"The REST API answered {answer}");
        }

        return answer.Body.TryGetProperty(of, out var items) ? items.EnumerateArray() : [];
    }

    private static string Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) ? value.ToString() : "";

    private static long Number(JsonElement of, string name) => long.Parse(of.GetProperty(name).ToString(), System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<RestAnswer> ReadAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(Ct);
        return new RestAnswer((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }
}
