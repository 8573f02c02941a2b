using System.Net;
using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>A fault as a server says it, in either dialect.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Code">A number, or a name of the second dialect; empty when it gives none.</param>
/// <param name="Message">What it says; not yet harmless.</param>
internal sealed record OatFault(int Status, string Code, string Message);

/// <summary>What a server answered: JSON, or a fault.</summary>
/// <param name="Json">The answer; plain text is a JSON text.</param>
/// <param name="Fault">The fault, where it is one.</param>
/// <param name="Date">The server's clock.</param>
internal sealed record OatAnswer(JsonElement Json, OatFault? Fault, DateTimeOffset? Date);

/// <summary>Requests to one OpenAttestation server, and the reading of what is common to all answers.</summary>
/// <param name="connection">How the server is reached.</param>
/// <param name="time">Our clock.</param>
internal sealed class OatWire(ServerConnection connection, TimeProvider time) : IDisposable
{
    // Ten thousand hosts of the second dialect, each with its certificate, are some 20 MB.
    private const int LongestAnswer = 64 << 20;

    private readonly ServerHttp http = new(connection, time);

    /// <summary>The server's name, for sentences.</summary>
    public string Server => connection.Name;

    /// <summary>How long an ordinary request may take.</summary>
    public TimeSpan Timeout => connection.Timeout;

    /// <summary>Sends a request; a fault of the server's own is an answer.</summary>
    public async Task<OatAnswer> SendAsync(HttpMethod method, string path, object? body, CancellationToken ct, TimeSpan? within = null)
    {
        ReadOnlyMemory<byte>? bytes = body is null ? null : JsonSerializer.SerializeToUtf8Bytes(body);
        var reply = await http.SendAsync(method, new Uri(connection.Address, path), bytes, LongestAnswer, ct, within);
        return Understand(reply);
    }

    /// <summary>Sends a request and reads its answer.</summary>
    /// <exception cref="ServerException">The server failed us, or answered with a fault, or with another shape.</exception>
    public async Task<T> ReadAsync<T>(OatDialect dialect, HttpMethod method, string path, object? body, Func<JsonElement, T> read, CancellationToken ct, TimeSpan? within = null)
    {
        var answer = await SendAsync(method, path, body, ct, within);
        return answer.Fault is { } fault ? throw Explain(dialect, fault) : Read(answer, read);
    }

    /// <summary>Sends a request that changes something. That it succeeded is the server's word alone.</summary>
    public Task<bool> ChangeAsync(OatDialect dialect, HttpMethod method, string path, object? body, CancellationToken ct) => ReadAsync(
        dialect,
        method,
        path,
        body,
        answer => answer.ValueKind != JsonValueKind.False && !(answer.ValueKind == JsonValueKind.String && bool.TryParse(answer.GetString(), out var truth) && !truth)
            ? true
            : throw new JsonException("false"),
        ct);

    /// <summary>Reads an answer that is no fault.</summary>
    public T Read<T>(OatAnswer answer, Func<JsonElement, T> read)
    {
        try
        {
            return read(answer.Json);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw Garbled("an answer of another shape", fault);
        }
    }

    /// <summary>A fault of the server's as an exception.</summary>
    public ServerException Explain(OatDialect dialect, OatFault fault) => OatErrors.Explain(dialect, fault, connection.Name);

    /// <summary>Something that is not the protocol.</summary>
    public ServerException Garbled(string what, Exception? inner = null) => new(
        ServerFault.Garbled,
        $"{connection.Name} answered with {what}: that is not OpenAttestation.",
        "Check address and port: 1.5 to 1.7 answer on 8443, 2.0 to 2.3 on 8181; and look whether a proxy stands in between.",
        inner);

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private OatAnswer Understand(ServerReply reply)
    {
        switch (reply.Status)
        {
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                throw new ServerException(
                    ServerFault.Refused,
                    $"{connection.Name} does not let the portal in (HTTP {(int)reply.Status}).",
                    "OpenAttestation itself lets everybody in: look at the proxy in front of it, and at the client certificate the portal shows.");
            case >= HttpStatusCode.MultipleChoices and < HttpStatusCode.BadRequest:
                throw Garbled($"a redirect (HTTP {(int)reply.Status})");
        }

        var body = reply.Body.AsMemory().TrimStart("\uFEFF"u8.ToArray()).Trim(" \t\r\n"u8.ToArray());
        if (body.Length > 0 && body.Span[0] == (byte)'<')
        {
            throw Garbled($"a page or XML (HTTP {(int)reply.Status})");
        }

        try
        {
            var json = body.Length == 0 ? Null : body.Span[0] is (byte)'{' or (byte)'[' or (byte)'"' or (byte)'n' ? JsonSerializer.Deserialize<JsonElement>(body.Span) : Plain(body);
            var fault = Fault(reply.Status, json);
            return fault is null && !reply.Succeeded ? NoReason(reply) : new OatAnswer(json, fault, reply.Date);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return reply.Succeeded ? throw Garbled("a body that cannot be read, or not to its end", fault) : NoReason(reply);
        }
    }

    private static JsonElement Null => JsonSerializer.SerializeToElement<object?>(null);

    private static JsonElement Plain(ReadOnlyMemory<byte> body) => JsonSerializer.SerializeToElement(System.Text.Encoding.UTF8.GetString(body.Span[..Math.Min(body.Length, 1024)]));

    private OatAnswer NoReason(ServerReply reply) => reply.Status == HttpStatusCode.NotFound
        ? throw Garbled("404, it knows no such resource")
        : new OatAnswer(Null, new OatFault((int)reply.Status, "", ""), reply.Date);

    /// <summary>The fault an answer says; failures of PollHosts in the first dialect have a shape of their own.</summary>
    private static OatFault? Fault(HttpStatusCode status, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        if (OatJson.Text(json, "error_code") is { Length: > 0 } code)
        {
            return new OatFault((int)status, code, Joined(OatJson.Text(json, "error_message"), OatJson.Text(json, "detail")));
        }

        return OatJson.Text(json, "name") is { Length: > 0 } name && OatJson.Text(json, "code") is { Length: > 0 }
            ? new OatFault((int)status, name, Joined(OatJson.Text(json, "message"), OatJson.Text(json, "detail")))
            : null;
    }

    private static string Joined(string message, string detail) => message.Length == 0 || detail.Length == 0 || message.Contains(detail, StringComparison.Ordinal) ? $"{message}{(message.Length == 0 ? detail : "")}" : $"{message} {detail}";
}
