using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;

namespace Portal.Components.Activity;

/// <summary>The audit, newest first. What comes meanwhile is announced at the top and shown when asked for: nothing that is read moves.</summary>
public sealed partial class ActivityPage(AuditDirectory audit, NavigationManager navigation)
{
    private const int PageSize = 60;
    private const int MostRows = 1500;
    private const int MostNewer = 200;
    private static readonly TimeSpan Typing = TimeSpan.FromMilliseconds(300);

    private static readonly (AuditSeverity Severity, Tone Tone, string Title)[] Severities =
    [
        (AuditSeverity.Alarm, Tone.Bad, "Alarms"), (AuditSeverity.Refusal, Tone.Old, "Refusals"), (AuditSeverity.Notice, Tone.Info, "Notices"),
    ];

    private readonly List<AuditRow> rows = [];
    private ActivityFilter? shown;
    private Refusal? refusal;
    private long? next;
    private int newer;
    private bool loaded;
    private bool loading;
    private int typed;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [SupplyParameterFromQuery(Name = "q")]
    public string? Text { get; set; }

    [SupplyParameterFromQuery(Name = "severity")]
    public string? Severity { get; set; }

    [SupplyParameterFromQuery(Name = "kind")]
    public string? Kind { get; set; }

    [SupplyParameterFromQuery(Name = "target")]
    public string? Target { get; set; }

    [SupplyParameterFromQuery(Name = "person")]
    public string? Person { get; set; }

    [SupplyParameterFromQuery(Name = "from")]
    public string? From { get; set; }

    [SupplyParameterFromQuery(Name = "to")]
    public string? To { get; set; }

    [SupplyParameterFromQuery(Name = "since")]
    public string? Since { get; set; }

    private ActivityFilter Filter => new(Text, Severity, Kind, Target, Person, From, To, Since);

    protected override async Task OnParametersSetAsync()
    {
        if (shown == Filter)
        {
            return;
        }

        shown = Filter;
        await LoadAsync();
    }

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Audit;

    /// <summary>Counts what came since; the rows stay.</summary>
    protected override async Task RefreshAsync()
    {
        if (rows.Count == 0)
        {
            await LoadAsync();
            return;
        }

        var newest = rows[0].Id;
        var page = await audit.SearchAsync(Caller, Filter.ToQuery(Time.GetUtcNow()), null, MostNewer, Stopping);
        newer = page.Succeeded ? page.Value.Rows.Count(r => r.Id > newest) : 0;
    }

    private async Task LoadAsync()
    {
        var page = await audit.SearchAsync(Caller, Filter.ToQuery(Time.GetUtcNow()), null, PageSize, Stopping);
        rows.Clear();
        (refusal, newer, loaded, next) = (page.Refusal, 0, true, null);
        if (page.Succeeded)
        {
            rows.AddRange(page.Value.Rows);
            next = page.Value.Next;
        }
    }

    private async Task MoreAsync()
    {
        loading = true;
        var page = await audit.SearchAsync(Caller, Filter.ToQuery(Time.GetUtcNow()), next, PageSize, Stopping);
        (refusal, loading) = (page.Refusal, false);
        if (page.Succeeded)
        {
            rows.AddRange(page.Value.Rows);
            next = page.Value.Next;
        }
    }

    private Task ShowNewerAsync() => LoadAsync();

    private async Task SearchSoonAsync(ChangeEventArgs e)
    {
        var (mine, text) = (++typed, Chosen(e));
        await Task.Delay(Typing, Time, Stopping);
        if (mine == typed)
        {
            navigation.NavigateTo((Filter with { Text = text }).Href("activity"), replace: true);
        }
    }

    private static string? Chosen(ChangeEventArgs e) => string.IsNullOrWhiteSpace(e.Value as string) ? null : ((string)e.Value).Trim();

    private void Go(ActivityFilter filter) => navigation.NavigateTo(filter.Href("activity"));
}
