namespace Portal.Components.Shared;

/// <summary>Spans of time in words, one unit each: "7 s", "4 min", "2 h", "3 d".</summary>
public static class Span
{
    /// <summary>The length of a span, whichever its sign.</summary>
    public static string Words(TimeSpan span)
    {
        var length = span.Duration();
        return length switch
        {
            { TotalSeconds: < 60 } => $"{(int)length.TotalSeconds} s",
            { TotalMinutes: < 60 } => $"{(int)length.TotalMinutes} min",
            { TotalHours: < 24 } => $"{(int)length.TotalHours} h",
            { TotalDays: < 365 } => $"{(int)length.TotalDays} d",
            _ => $"{(int)(length.TotalDays / 365)} y",
        };
    }

    /// <summary>How far an instant is from now: "4 min ago", "in 56 s", "now".</summary>
    public static string FromNow(DateTimeOffset at, DateTimeOffset now)
    {
        var since = now - at;
        return since switch
        {
            { TotalSeconds: > -1 and < 1 } => "now",
            { Ticks: < 0 } => $"in {Words(since)}",
            _ => $"{Words(since)} ago",
        };
    }
}
