using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Extensions;

/// <summary>
/// A column of the Hosts grid: one MudDataGrid column of <see cref="HostRow"/> as a fragment
/// (a fragment keeps the order of columns, a DynamicComponent does not). What it shows comes with the row from an
/// <see cref="IHostFacet"/>: <c>row.Facet&lt;T&gt;("trust")</c>.
/// </summary>
/// <param name="Id">Stable name in the URL, and the key to sort by: the facet's name.</param>
/// <param name="Title">The column's heading, for the list of columns to choose.</param>
/// <param name="Order">Where it stands; the grid's own columns use 100 (name), 300 (cluster), 400 (state) and so on.</param>
/// <param name="Render">The column.</param>
public sealed record HostColumn(string Id, string Title, int Order, RenderFragment Render)
{
    /// <summary>Which changes make the visible rows load again.</summary>
    public IReadOnlyList<ChangeTopic> Topics { get; init; } = [];

    /// <summary>Whether it is shown until the user chooses otherwise.</summary>
    public bool ShownByDefault { get; init; } = true;
}

/// <summary>How the values of an <see cref="IHostFacet"/> look on the chips above the grid.</summary>
/// <param name="Facet">The facet's name.</param>
/// <param name="Tone">Colour and sign of a value, as searched for (<c>untrusted</c>).</param>
public sealed record HostFacetLook(string Facet, Func<string, Tone> Tone)
{
    /// <summary>Which changes make the chips count again.</summary>
    public IReadOnlyList<ChangeTopic> Topics { get; init; } = [];
}

/// <summary>A tab of a host's page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">What the tab says.</param>
/// <param name="Order">Where it stands; the page's own tabs use 100 (General), 200 (Hardware &amp; BIOS), 300 (Virtual machines), 500 (Activity).</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/>.</param>
public sealed record HostTab(string Id, string Title, int Order, Type Component);

/// <summary>A piece of the header of a host's page, beside its name.</summary>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component with a parameter <c>Row</c> of type <see cref="HostRow"/>.</param>
public sealed record HostHeaderPart(int Order, Type Component);

/// <summary>Something to do with a host, in the row's menu and in the header of its page.</summary>
/// <param name="Id">Stable name.</param>
/// <param name="Title">What the button says: a verb.</param>
/// <param name="Icon">SVG markup of a 24×24 icon.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Requires">Who is offered it; the core checks again.</param>
/// <param name="Run">Does it; null when done. Services are those of the page.</param>
public sealed record HostAction(
    string Id,
    string Title,
    string Icon,
    int Order,
    Permission Requires,
    Func<IServiceProvider, Caller, Host, CancellationToken, Task<Core.Refusal?>> Run)
{
    /// <summary>Whether it makes sense for this host now.</summary>
    public Func<Host, bool> AppliesTo { get; init; } = static _ => true;

    /// <summary>A question to ask first; null runs at once.</summary>
    public Func<Host, Confirmation>? Ask { get; init; }
}
