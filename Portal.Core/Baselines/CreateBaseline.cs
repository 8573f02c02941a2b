using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>Creates a baseline with its first revision, a draft. The caller is its author.</summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class CreateBaseline(RevisionDesk desk)
{
    /// <summary>What to create.</summary>
    /// <param name="Name">Unique; see <see cref="BaselineNameRules"/>.</param>
    /// <param name="Kind">One kind.</param>
    /// <param name="Description">What it is for.</param>
    /// <param name="Content">What the draft says; null for an empty draft.</param>
    public sealed record Input(string Name, BaselineKinds Kind, string Description, BaselineContent? Content);

    /// <summary>Creates it. Needs <see cref="Permission.WriteBaselines"/>.</summary>
    public Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        ExecuteAsync(caller, input, Story.Created, ct);

    internal Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, Story story, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.WriteBaselines, DeskSubject.New(input.Name), step => AttemptAsync(step, input, story), ct);

    private static async Task<Outcome<RevisionStanding>> AttemptAsync(DeskStep step, Input input, Story story)
    {
        var named = new BaselineName(input.Name?.Trim() ?? "", input.Description?.Trim() ?? "", input.Kind);
        var content = (input.Content ?? BaselineContent.EmptyOf(input.Kind)).Normalized();
        if (BaselineNameRules.Instance.Refusal(named) is { } badName)
        {
            return badName;
        }

        if (ContentRules.RefusalOf(content, named.Kind) is { } badContent)
        {
            return badContent;
        }

        if (await step.MissingClusterAsync(content) is { } badCluster)
        {
            return badCluster;
        }

        if (await step.Db.Baselines.AnyAsync(b => b.Name == named.Name, step.Ct))
        {
            return BaselineRefusals.NameTaken(named.Name);
        }

        var baseline = new Baseline { Name = named.Name, Kind = named.Kind, Description = named.Description, CreatedAt = step.Now };
        step.Db.Baselines.Add(baseline);
        step.About(baseline);
        var revision = step.AddRevision(baseline.Id, 1, content);
        step.Audit(story.Event, $"{step.Person.Name} {story.Did("created the baseline " + baseline.Name)}.", revision);
        return RevisionStanding.Of(revision);
    }
}

/// <summary>How a revision came to be, for the audit.</summary>
internal sealed record Story(string Event, string From)
{
    public static Story Created { get; } = new("baseline.created", "");

    public static Story Revised { get; } = new("baseline.revised", "");

    public static Story Captured(string host) => new("baseline.captured", $" from what {host} measured");

    public string Did(string what) => what + From;
}
