using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Extensions;

/// <summary>
/// A column of the Hosts grid. What it shows comes with the row from an <see cref="IHostFacet"/>: <c>row.Facet&lt;T&gt;("trust")</c>.
/// A cell is one line of text and marks: rows have one height.
/// </summary>
/// <param name="Id">Stable name in the URL, and the key to sort by: the facet's name.</param>
/// <param name="Title">The column's heading.</param>
/// <param name="Order">Where it stands; the grid's own columns use 100 (name), 300 (cluster), 400 (state) and so on.</param>
/// <param name="Cell">What a row shows there.</param>
public sealed record HostColumn(string Id, string Title, int Order, RenderFragment<HostRow> Cell)
{
    /// <summary>Which changes make the visible rows load again.</summary>
    public IReadOnlyList<ChangeTopic> Topics { get; init; } = [];

    /// <summary>Whether it is shown until the user chooses otherwise.</summary>
    public bool ShownByDefault { get; init; } = true;

    /// <summary>Whether the heading sorts; <see cref="HostQuery.SortBy"/> gets the id.</summary>
    public bool Sortable { get; init; } = true;

    /// <summary>Whether the first click on the heading sorts largest first.</summary>
    public bool LargestFirst { get; init; }

    /// <summary>Whether it holds numbers, which stand at the right.</summary>
    public bool IsNumber { get; init; }

    /// <summary>How wide a screen must be to show it.</summary>
    public ColumnRoom Room { get; init; } = ColumnRoom.Medium;
}

/// <summary>How wide a screen a column asks for.</summary>
public enum ColumnRoom
{
    /// <summary>A telephone will do.</summary>
    Narrow,

    /// <summary>A tablet, from 700 pixels.</summary>
    Medium,

    /// <summary>A desk, from 1,100 pixels.</summary>
    Wide,
}

/// <summary>How the values of an <see cref="IHostFacet"/> look on the chips above the grid.</summary>
/// <param name="Facet">The facet's name.</param>
/// <param name="Tone">Colour and sign of a value, as searched for (<c>untrusted</c>).</param>
public sealed record HostFacetLook(string Facet, Func<string, Tone> Tone)
{
    /// <summary>Which changes make the chips count again.</summary>
    public IReadOnlyList<ChangeTopic> Topics { get; init; } = [];

    /// <summary>Values that need a person; their hosts are counted beside the place in the menu.</summary>
    public IReadOnlyList<string> NeedAttention { get; init; } = [];
}

/// <summary>A few words at the end of the line under the heading Hosts, such as <c>last evidence 7 s ago</c>.</summary>
/// <param name="Order">Where they stand.</param>
/// <param name="Component">A component without required parameters; it keeps itself current.</param>
public sealed record HostsSubPart(int Order, Type Component);

/// <summary>Something to do with many hosts, at the right of the heading Hosts, or what is going on with them, below it.</summary>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component without required parameters; it keeps itself current.</param>
public sealed record HostsHeadPart(int Order, Type Component)
{
    /// <summary>Whether it stands below the heading.</summary>
    public bool IsBelow { get; init; }
}

/// <summary>A tab of a host's page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">What the tab says.</param>
/// <param name="Order">Where it stands; the page's own tabs use 100 (General), 200 (Hardware &amp; BIOS), 300 (Virtual machines), 500 (Activity).</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/>.</param>
public sealed record HostTab(string Id, string Title, int Order, Type Component);

/// <summary>A piece of the header of a host's page.</summary>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/>.</param>
public sealed record HostHeaderPart(int Order, Type Component)
{
    /// <summary>Whether it belongs to the line under the name rather than beside the name.</summary>
    public bool IsSub { get; init; }

    /// <summary>Whether it stands below the header, above the tabs: what is going on with the host.</summary>
    public bool IsBelow { get; init; }
}

/// <summary>A card of a host's General tab, after its own.</summary>
/// <param name="Order">Where it stands; the page's own connection uses 100.</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/> that draws a card, or nothing.</param>
public sealed record HostGeneralPart(int Order, Type Component);

/// <summary>Further lines of the card Identity of a host whose attester is enrolled.</summary>
/// <param name="Order">Where they stand.</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/> that draws <c>div</c>s with a <c>dt</c> and a <c>dd</c>.</param>
public sealed record HostIdentityPart(int Order, Type Component);

/// <summary>Something to do with a host, in the row's menu and in the header of its page.</summary>
/// <param name="Id">Stable name.</param>
/// <param name="Title">What the button says: a verb.</param>
/// <param name="Icon">SVG markup of a 24×24 icon.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Requires">Who is offered it; the core checks again.</param>
/// <param name="Run">Does it and says in one sentence what was done. Services are those of the page.</param>
public sealed record HostAction(
    string Id,
    string Title,
    string Icon,
    int Order,
    Permission Requires,
    Func<IServiceProvider, Caller, Host, CancellationToken, Task<Outcome<string>>> Run)
{
    /// <summary>Actions of a group stand together under its name; null stands on its own.</summary>
    public string? Group { get; init; }

    /// <summary>Whether it makes sense for this host now.</summary>
    public Func<IServiceProvider, Host, bool> AppliesTo { get; init; } = static (_, _) => true;

    /// <summary>A question to ask first; null runs at once.</summary>
    public Func<IServiceProvider, Host, CancellationToken, Task<Confirmation>>? Ask { get; init; }
}
