using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;

namespace Portal.Core.Baselines;

/// <summary>Changes the name and the description of a baseline. What it approves is untouched.</summary>
/// <param name="desk">What commands on baselines share.</param>
public sealed class RenameBaseline(RevisionDesk desk)
{
    /// <summary>The new words.</summary>
    /// <param name="BaselineId">The baseline.</param>
    /// <param name="Name">Its name from now on.</param>
    /// <param name="Description">What it is for.</param>
    public sealed record Input(Guid BaselineId, string Name, string Description);

    /// <summary>Renames it. Needs <see cref="Permission.WriteBaselines"/>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.WriteBaselines, DeskSubject.Baseline(input.BaselineId), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<Done>> AttemptAsync(DeskStep step, Input input)
    {
        var found = await step.FindBaselineAsync(input.BaselineId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var baseline = found.Value;
        var named = new BaselineName(input.Name?.Trim() ?? "", input.Description?.Trim() ?? "", baseline.Kind);
        if (BaselineNameRules.Instance.Refusal(named) is { } bad)
        {
            return bad;
        }

        if (await step.Db.Baselines.AnyAsync(b => b.Name == named.Name && b.Id != baseline.Id, step.Ct))
        {
            return BaselineRefusals.NameTaken(named.Name);
        }

        var (oldName, oldDescription) = (baseline.Name, baseline.Description);
        baseline.Name = named.Name;
        baseline.Description = named.Description;
        if (!string.Equals(oldName, named.Name, StringComparison.Ordinal))
        {
            step.Audit("baseline.renamed", $"{step.Person.Name} renamed the baseline {oldName} to {named.Name}.");
        }
        else if (!string.Equals(oldDescription, named.Description, StringComparison.Ordinal))
        {
            step.Audit("baseline.described", $"{step.Person.Name} changed the description of the baseline {named.Name}.");
        }

        return Done.Value;
    }
}
