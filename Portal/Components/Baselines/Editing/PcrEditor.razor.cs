using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Tpm;

namespace Portal.Components.Baselines.Editing;

/// <summary>Edits what a draft says of one PCR.</summary>
public sealed partial class PcrEditor(Announcer announcer)
{
    private EventDraft? editing;
    private EventDraft? focus;

    [Parameter, EditorRequired]
    public required PcrDraft Pcr { get; set; }

    [Parameter, EditorRequired]
    public ushort Bank { get; set; }

    /// <summary>How refusals name this PCR: <c>content.pcrs[1]</c>.</summary>
    [Parameter, EditorRequired]
    public required string Path { get; set; }

    [Parameter]
    public Refusal? Refusal { get; set; }

    [Parameter]
    public EventCallback Changed { get; set; }

    [Parameter]
    public EventCallback Removed { get; set; }

    private PcrMeaning Meaning => PcrMeaning.Of(Pcr.Pcr);

    private string Amount => Pcr.ByEvent
        ? Pcr.Events.Count == 1 ? "1 event" : $"{Pcr.Events.Count} events"
        : HexText.Digests(Pcr.Digests).Length is 1 ? "its whole value" : $"{HexText.Digests(Pcr.Digests).Length} whole values";

    private bool HasProblem => ProblemAt(Path) is not null
        || (Pcr.ByEvent ? Pcr.Events.Exists(e => HexText.Complaint(e.Digests, Bank) is not null) : HexText.Complaint(Pcr.Digests, Bank) is not null);

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (focus is { } moved)
        {
            focus = null;
            await moved.Handle.FocusAsync();
        }
    }

    private static string Shown(EventDraft e)
    {
        var digests = HexText.Digests(e.Digests);
        return digests.Length switch
        {
            0 => "none",
            1 => Digest.Short(digests[0]),
            var many => $"{Digest.Short(digests[0])} or {many - 1} more",
        };
    }

    /// <summary>The core's refusal, if it names this field or something in it.</summary>
    private string? ProblemAt(string path) =>
        Refusal is { Field: { } field } refusal && (field == path || field.StartsWith(path + ".", StringComparison.Ordinal) || field.StartsWith(path + "[", StringComparison.Ordinal))
            ? refusal.ToString()
            : null;

    private string? ProblemOf(EventDraft e, int index) => ProblemAt($"{Path}.events[{index}]") ?? HexText.Complaint(e.Digests, Bank);

    private void Toggle() => Pcr.IsOpen = !Pcr.IsOpen;

    private Task Remove() => Removed.InvokeAsync();

    private Task SetAsync(bool byEvent)
    {
        Pcr.ByEvent = byEvent;
        return Changed.InvokeAsync();
    }

    private Task SetDigestsAsync(string text)
    {
        Pcr.Digests = text;
        return Changed.InvokeAsync();
    }

    private Task SetLabelAsync(ChangeEventArgs e)
    {
        Pcr.Label = e.Value as string ?? "";
        return Changed.InvokeAsync();
    }

    private Task AddAsync()
    {
        editing = new EventDraft();
        Pcr.Events.Add(editing);
        return Changed.InvokeAsync();
    }

    private Task RemoveAsync(EventDraft e)
    {
        var at = Pcr.Events.IndexOf(e);
        Pcr.Events.Remove(e);
        focus = Pcr.Events.Count == 0 ? null : Pcr.Events[Math.Min(at, Pcr.Events.Count - 1)];
        announcer.Say($"Event {at + 1} of PCR {Pcr.Pcr} removed.");
        return Changed.InvokeAsync();
    }

    private Task MoveByKeyAsync(EventDraft e, KeyboardEventArgs key) => (key.AltKey, key.Key) switch
    {
        (true, "ArrowUp") => MoveAsync(e, -1),
        (true, "ArrowDown") => MoveAsync(e, 1),
        _ => Task.CompletedTask,
    };

    private Task MoveAsync(EventDraft e, int by)
    {
        var from = Pcr.Events.IndexOf(e);
        var to = from + by;
        if (to < 0 || to >= Pcr.Events.Count)
        {
            return Task.CompletedTask;
        }

        Pcr.Events.RemoveAt(from);
        Pcr.Events.Insert(to, e);
        focus = e;
        announcer.Say($"Now event {to + 1} of {Pcr.Events.Count}.");
        return Changed.InvokeAsync();
    }
}
