using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>Which of Keylime's two servers.</summary>
internal enum KeylimePart
{
    /// <summary>Verifies agents.</summary>
    Verifier,

    /// <summary>Where agents register.</summary>
    Registrar,
}

/// <summary>Keylime's way of asking and of failing: a version in every path, two shapes of errors, and empty ones.</summary>
/// <param name="connection">How the servers are reached.</param>
/// <param name="http">The way there.</param>
internal sealed class KeylimeHttp(ServerConnection connection, ServerHttp http)
{
    /// <summary>The longest answer that is read, in bytes: some fifty thousand agents.</summary>
    public const int LongestAnswer = 64 << 20;

    /// <summary>The newest minor version of 2 that is known here. Source: keylime 7.14.3.</summary>
    public const int NewestMinor = 6;

    private const int LongestVersion = 64 << 10;

    private readonly int?[] minors = new int?[2];

    /// <summary>Whether there is such a server.</summary>
    public bool Has(KeylimePart part) => part == KeylimePart.Verifier || connection.RegistrarAddress is not null;

    /// <summary>The newest minor version of 2 that this server and we know, asked for once.</summary>
    /// <exception cref="ServerException">It does not say, or knows none.</exception>
    public async Task<int> MinorAsync(KeylimePart part, CancellationToken ct) => minors[(int)part] ?? (await VersionAsync(part, ct)).Minor;

    /// <summary>Asks for the version anew.</summary>
    public async Task<(int Minor, string Newest, ServerReply Reply)> VersionAsync(KeylimePart part, CancellationToken ct)
    {
        var reply = await http.SendAsync(HttpMethod.Get, new Uri(Address(part), "/version"), null, LongestVersion, ct);
        var known = Read(reply, part, "its version", Versions);
        if (known.Select(Minor).Where(m => m is >= 0 and <= NewestMinor).Max() is not { } minor)
        {
            throw new ServerException(
                ServerFault.Garbled,
                $"{Name(part)} speaks no version between 2.0 and 2.{NewestMinor}: it names {(known.Count == 0 ? "none" : KeylimeWords.Safe(string.Join(", ", known)))}.",
                "Look what answers at this address, and which release of Keylime it is; 6.3 and later are spoken to.");
        }

        minors[(int)part] = minor;
        return (minor, KeylimeWords.Safe(known.LastOrDefault() ?? ""), reply);
    }

    /// <summary>Sends one request. A server that does not know the version any more is asked for its version once.</summary>
    /// <param name="part">Whom.</param>
    /// <param name="method">The method.</param>
    /// <param name="path">What, after the version; relative.</param>
    /// <param name="body">JSON; null for none.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<ServerReply> SendAsync(KeylimePart part, HttpMethod method, string path, byte[]? body, CancellationToken ct)
    {
        var minor = await MinorAsync(part, ct);
        var reply = await SendAsync(part, method, minor, path, body, ct);
        if (reply is not { Status: HttpStatusCode.NotFound, Body.Length: 0 })
        {
            return reply;
        }

        // An unknown version and an unknown path look alike: 404 and nothing else.
        var (again, _, _) = await VersionAsync(part, ct);
        return again == minor ? reply : await SendAsync(part, method, again, path, body, ct);
    }

    /// <summary>Reads the body of an answer of success.</summary>
    /// <exception cref="ServerException">It is none of success, or not of this shape.</exception>
    public T Read<T>(ServerReply reply, KeylimePart part, string what, Func<byte[], T> read)
    {
        if (!reply.Succeeded)
        {
            throw Failure(reply, part, what);
        }

        try
        {
            return read(reply.Body);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            // The second is how the platform reports half of a surrogate pair in a text, or an element of another kind.
            throw new ServerException(
                ServerFault.Garbled,
                $"{Name(part)} answered the question for {what} with {Shape(reply)}.",
                "Look what answers at this address: a proxy or another program may stand there.",
                unreadable);
        }
    }

    /// <summary>What an answer that is none of success means.</summary>
    public ServerException Failure(ServerReply reply, KeylimePart part, string what)
    {
        var said = Words(reply.Body);
        var because = said.Length == 0 ? "" : $": {said}";
        var status = ((int)reply.Status).ToString(CultureInfo.InvariantCulture);
        return reply.Status switch
        {
            HttpStatusCode.Forbidden => new ServerException(
                ServerFault.Refused, $"{Name(part)} does not let the portal ask for {what}{because}.", "Give the portal a client certificate, for clients, by the authority this server has as trusted_client_ca."),
            HttpStatusCode.Unauthorized => new ServerException(
                ServerFault.Refused, $"{Name(part)} wants another proof of who asks for {what}{because}.", "Look whether a proxy between adds an Authorization header: Keylime then looks at nothing else."),
            _ => new ServerException(ServerFault.Failed, $"{Name(part)} could not answer the question for {what} (status {status}{because}).", "Look at the server's log."),
        };
    }

    /// <summary>A path's part that may hold anything.</summary>
    public static string Escape(string part) => Uri.EscapeDataString(part);

    /// <summary>As a sentence names it.</summary>
    public string Name(KeylimePart part) => part == KeylimePart.Verifier ? $"Keylime's verifier of {connection.Name}" : $"Keylime's registrar of {connection.Name}";

    private Task<ServerReply> SendAsync(KeylimePart part, HttpMethod method, int minor, string path, byte[]? body, CancellationToken ct) =>
        http.SendAsync(method, new Uri(Address(part), FormattableString.Invariant($"/v2.{minor}/{path}")), body, LongestAnswer, ct);

    private Uri Address(KeylimePart part) => part == KeylimePart.Verifier ? connection.Address : connection.RegistrarAddress
        ?? throw new ServerException(ServerFault.Failed, $"No registrar of {connection.Name} is known.", "Enter the registrar's address on the service's page.");

    private static List<string> Versions(byte[] body)
    {
        using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 8 });
        var results = document.RootElement.GetProperty("results");
        var versions = results.TryGetProperty("supported_versions", out var all) && all.ValueKind == JsonValueKind.Array
            ? all.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!).ToList()
            : [];
        if (versions.Count == 0 && results.TryGetProperty("current_version", out var one) && one.ValueKind == JsonValueKind.String)
        {
            versions.Add(one.GetString()!);
        }

        return versions;
    }

    private static int? Minor(string version) =>
        version.StartsWith("2.", StringComparison.Ordinal) && int.TryParse(version.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var minor) ? minor : null;

    private static string Shape(ServerReply reply) => reply switch
    {
        { Body.Length: 0 } => "an empty body",
        { MediaType: "text/html" } => "a page for people",
        _ when reply.Body.AsSpan().TrimStart(" \r\n\t"u8).StartsWith("<"u8) => "a page for people",
        _ => "something that is not what Keylime says there, or only a part of it",
    };

    /// <summary>The server's own words in either of its two shapes; empty when it has none.</summary>
    private static string Words(byte[] body)
    {
        if (body.Length is 0 or > LongestVersion)
        {
            return "";
        }

        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 8 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return "";
            }

            if (document.RootElement.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Array && errors.GetArrayLength() > 0 && errors[0].ValueKind == JsonValueKind.Object)
            {
                return Text(errors[0], "detail") ?? Text(errors[0], "title") ?? "";
            }

            return Text(document.RootElement, "status") ?? "";
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return "";
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? ClaimedSentence(value.GetString()!) : null;

    private static string ClaimedSentence(string text) => Tpm.ClaimedText.Safe(text, 200).TrimEnd('.');
}
