using Microsoft.AspNetCore.Components;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal.Components.Overview;

/// <summary>Gathers the lines of all contributed sources; one source that fails hides no other.</summary>
public sealed partial class AttentionCard(IEnumerable<AttentionSource> sources, IServiceScopeFactory scopes, ILogger<AttentionCard> log)
{
    private readonly HashSet<ChangeTopic> topics = [.. sources.SelectMany(s => s.Topics)];
    private readonly List<string> trouble = [];
    private List<AttentionLine>? lines;

    [CascadingParameter]
    public Caller? Caller { get; set; }

    protected override Task OnInitializedAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => topics.Contains(change.Topic);

    protected override async Task RefreshAsync()
    {
        if (Caller is null)
        {
            return;
        }

        var found = new List<AttentionLine>();
        trouble.Clear();
        foreach (var source in sources.OrderBy(s => s.Order))
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                found.AddRange(await source.Find(scope.ServiceProvider, Caller, Stopping));
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                SourceFailed(log, source.Order, fault);
                trouble.Add("Something could not be looked up; there may be more than this.");
            }
        }

        lines = found;
    }

    [LoggerMessage(4101, LogLevel.Error, "Source {Order} of what needs attention failed")]
    private static partial void SourceFailed(ILogger log, int order, Exception fault);
}
