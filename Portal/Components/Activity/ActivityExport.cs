using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Identity;

namespace Portal.Components.Activity;

/// <summary>The audit as a file, in UTC, streamed from the database as fast as it is taken.</summary>
internal static class ActivityExport
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        DefaultBufferSize = 64 * 1024,
    };

    private static readonly string[] Columns =
    [
        "id", "at_utc", "severity", "event", "sentence", "target_kind", "target_name", "target_id", "person", "issuer", "subject", "chain_place", "detail",
    ];

    public static void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/activity/export.csv", (HttpContext context, AuditDirectory audit, TimeProvider time) => SendAsync(context, audit, time, "csv", CsvAsync));
        endpoints.MapGet("/activity/export.json", (HttpContext context, AuditDirectory audit, TimeProvider time) => SendAsync(context, audit, time, "json", JsonAsync));
    }

    /// <summary>
    /// A cell of a CSV file (RFC 4180) that no spreadsheet takes for a formula: text that begins like one gets an apostrophe in front,
    /// as OWASP advises under "CSV Injection".
    /// </summary>
    internal static string Cell(string? text)
    {
        var value = text ?? "";
        if (value.TrimStart(' ') is { Length: > 0 } trimmed && trimmed[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '\n' or '＝' or '＋' or '－' or '＠')
        {
            value = "'" + value;
        }

        return value.AsSpan().IndexOfAny("\",\r\n") < 0 ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static async Task SendAsync(
        HttpContext context, AuditDirectory audit, TimeProvider time, string format, Func<HttpResponse, IAsyncEnumerable<AuditRow>, CancellationToken, Task> write)
    {
        var ct = context.RequestAborted;
        if (context.User.ToCaller() is not { } caller)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        var now = time.GetUtcNow();
        var export = await audit.ExportAsync(caller, ActivityFilter.Read(context.Request.Query).ToQuery(now), ct);
        if (!export.Succeeded)
        {
            context.Response.StatusCode = export.Refusal.Kind is RefusalKind.Forbidden ? StatusCodes.Status403Forbidden : StatusCodes.Status400BadRequest;
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(export.Refusal.ToString(), ct);
            return;
        }

        context.Response.Headers.ContentDisposition = $"attachment; filename=\"audit-{now.UtcDateTime.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}Z.{format}\"";
        context.Response.Headers.CacheControl = "no-store";
        await write(context.Response, export.Value.Rows, ct);
    }

    private static async Task CsvAsync(HttpResponse response, IAsyncEnumerable<AuditRow> rows, CancellationToken ct)
    {
        response.ContentType = "text/csv; charset=utf-8";
        // With a byte order mark: spreadsheets otherwise read it in the machine's own code page.
        await using var writer = new StreamWriter(response.Body, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true), leaveOpen: true) { NewLine = "\r\n" };
        await writer.WriteLineAsync(string.Join(',', Columns).AsMemory(), ct);
        await foreach (var row in rows.WithCancellation(ct))
        {
            await writer.WriteLineAsync(string.Join(',', Cells(row).Select(Cell)).AsMemory(), ct);
        }
    }

    private static Task JsonAsync(HttpResponse response, IAsyncEnumerable<AuditRow> rows, CancellationToken ct)
    {
        response.ContentType = "application/json; charset=utf-8";
        return JsonSerializer.SerializeAsync(response.Body, Utc(rows, ct), Json, ct);
    }

    private static async IAsyncEnumerable<AuditRow> Utc(IAsyncEnumerable<AuditRow> rows, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var row in rows.WithCancellation(ct))
        {
            yield return row with { At = row.At.ToUniversalTime() };
        }
    }

    private static IEnumerable<string?> Cells(AuditRow row) =>
    [
        row.Id.ToString(CultureInfo.InvariantCulture),
        row.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
        row.Severity.ToString().ToLowerInvariant(),
        row.Event,
        row.Sentence,
        row.TargetKind,
        row.TargetName,
        row.TargetId?.ToString(),
        row.PersonName,
        row.Issuer,
        row.Subject,
        row.Sequence?.ToString(CultureInfo.InvariantCulture),
        row.Detail,
    ];
}
