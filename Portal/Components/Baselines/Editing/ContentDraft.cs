using Microsoft.AspNetCore.Components;
using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Components.Baselines.Editing;

/// <summary>What a revision says while somebody types it: may be wrong, never lost.</summary>
public sealed class ContentDraft
{
    public ushort Bank { get; set; } = PcrBanks.Sha256;

    /// <summary>Ascending by PCR.</summary>
    public List<PcrDraft> Pcrs { get; } = [];

    /// <summary>For runtime baselines, what hosts may use; null for all others.</summary>
    public RuntimeDraft? Runtime { get; set; }

    /// <summary>Whether it applies to all clusters.</summary>
    public bool Everywhere { get; set; } = true;

    public HashSet<Guid> Clusters { get; } = [];

    public string Notes { get; set; } = "";

    public static ContentDraft From(BaselineContent content)
    {
        var normal = content.Normalized();
        var draft = new ContentDraft
        {
            Bank = normal.Bank,
            Notes = normal.Notes,
            Everywhere = normal.Clusters.IsEmpty,
            Runtime = normal.Runtime is { } runtime ? RuntimeDraft.From(runtime) : null,
        };
        draft.Clusters.UnionWith(normal.Clusters);
        foreach (var pcr in normal.Pcrs)
        {
            var edited = new PcrDraft { Pcr = pcr.Pcr, Label = pcr.Label, ByEvent = pcr.IsByEvent, Digests = HexText.Lines(pcr.Digests) };
            edited.Events.AddRange(pcr.Events.Select(e => new EventDraft { Type = e.Type, Label = e.Label, Optional = e.Optional, Digests = HexText.Lines(e.Digests) }));
            draft.Pcrs.Add(edited);
        }

        return draft;
    }

    public BaselineContent ToContent() => (new BaselineContent(
        Bank,
        Runtime is not null ? [] : [.. Pcrs.Select(p => new PcrReference(p.Pcr, p.ByEvent ? [] : HexText.Digests(p.Digests), p.ByEvent ? [.. p.Events.Select(e => e.ToReference())] : [], p.ByEvent ? "" : p.Label))],
        Everywhere ? [] : [.. Clusters],
        Notes) with { Runtime = Runtime?.ToReference() }).Normalized();

    /// <summary>Adds a PCR where it belongs.</summary>
    public PcrDraft Add(int pcr)
    {
        var added = new PcrDraft { Pcr = pcr, ByEvent = PcrMeaning.Of(pcr).Advice.Contains("by event", StringComparison.OrdinalIgnoreCase), IsOpen = true };
        Pcrs.Insert(Pcrs.Count(p => p.Pcr < pcr), added);
        return added;
    }
}

/// <summary>A PCR while it is typed.</summary>
public sealed class PcrDraft
{
    public required int Pcr { get; init; }

    /// <summary>Whether it is appraised event by event; the other way's input is kept meanwhile.</summary>
    public bool ByEvent { get; set; }

    public string Label { get; set; } = "";

    /// <summary>Whole values, one a line.</summary>
    public string Digests { get; set; } = "";

    public List<EventDraft> Events { get; } = [];

    /// <summary>Whether its block is unfolded.</summary>
    public bool IsOpen { get; set; }
}

/// <summary>An event while it is typed.</summary>
public sealed class EventDraft
{
    public uint Type { get; set; } = (uint)EventType.EfiBootServicesApplication;

    public string Label { get; set; } = "";

    /// <summary>Approved digests, one a line; any of them.</summary>
    public string Digests { get; set; } = "";

    public bool Optional { get; set; }

    /// <summary>Where the focus goes when it was moved.</summary>
    public ElementReference Handle { get; set; }

    public EventReference ToReference() => new(Type, HexText.Digests(Digests), Label.Trim(), Optional);
}
