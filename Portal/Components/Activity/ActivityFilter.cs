using System.Globalization;
using Portal.Core.Audit;

namespace Portal.Components.Activity;

/// <summary>What of the audit is shown, as it stands in the address: the page and the export read the same words.</summary>
/// <param name="Text">Part of a sentence or name.</param>
/// <param name="Severity"><c>notice</c>, <c>refusal</c> or <c>alarm</c>.</param>
/// <param name="Kind">What it is about: <c>host</c>.</param>
/// <param name="Target">Id of what it is about.</param>
/// <param name="Person">Part of a name.</param>
/// <param name="From">Day or instant, UTC.</param>
/// <param name="To">Day or instant, UTC; a day counts whole.</param>
/// <param name="Since">How long back instead of <paramref name="From"/>: <c>1h</c>, <c>24h</c>, <c>7d</c>, <c>30d</c>.</param>
public sealed record ActivityFilter(string? Text, string? Severity, string? Kind, string? Target, string? Person, string? From, string? To, string? Since)
{
    /// <summary>The spans on offer.</summary>
    public static IReadOnlyList<(string Value, string Title, TimeSpan Span)> Spans { get; } =
    [
        ("1h", "Last hour", TimeSpan.FromHours(1)), ("24h", "24 hours", TimeSpan.FromHours(24)), ("7d", "7 days", TimeSpan.FromDays(7)), ("30d", "30 days", TimeSpan.FromDays(30)),
    ];

    /// <summary>What an entry may be about, with a word for it.</summary>
    public static IReadOnlyList<(string Value, string Title)> Kinds { get; } =
    [
        ("host", "Hosts"), ("vm", "Virtual machines"), ("cluster", "Clusters"), ("baseline", "Baselines"), ("service", "Attestation services"), ("operation", "Operations"), ("portal", "The portal"),
    ];

    /// <summary>Whether nothing is left out.</summary>
    public bool IsEverything => this == new ActivityFilter(null, null, null, null, null, null, null, null);

    /// <summary>Reads it from an address.</summary>
    public static ActivityFilter Read(IQueryCollection query) => new(
        Word(query["q"]), Word(query["severity"]), Word(query["kind"]), Word(query["target"]), Word(query["person"]), Word(query["from"]), Word(query["to"]), Word(query["since"]));

    /// <summary>The question to the audit. What cannot be understood narrows nothing.</summary>
    public AuditQuery ToQuery(DateTimeOffset now)
    {
        var span = Spans.FirstOrDefault(s => s.Value == Since);
        return new AuditQuery(
            Text,
            Enum.TryParse<AuditSeverity>(Severity, ignoreCase: true, out var severity) && Enum.IsDefined(severity) ? severity : null,
            Kind,
            Guid.TryParse(Target, out var target) ? target : null,
            Person,
            span.Value is null ? Instant(From, endOfDay: false) : now - span.Span,
            Instant(To, endOfDay: true));
    }

    /// <summary>The address of something under this filter.</summary>
    public string Href(string path)
    {
        (string Name, string? Value)[] parts =
        [
            ("q", Text), ("severity", Severity), ("kind", Kind), ("target", Target), ("person", Person), ("from", From), ("to", To), ("since", Since),
        ];
        var query = string.Join('&', parts.Where(p => !string.IsNullOrWhiteSpace(p.Value)).Select(p => $"{p.Name}={Uri.EscapeDataString(p.Value!)}"));
        return query.Length == 0 ? path : $"{path}?{query}";
    }

    private static string? Word(string? value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();

    private static DateTimeOffset? Instant(string? text, bool endOfDay)
    {
        if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
        {
            var start = new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
            return endOfDay && day < DateOnly.MaxValue ? start.AddDays(1) : start;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var instant) ? instant : null;
    }
}
