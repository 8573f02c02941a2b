using Microsoft.AspNetCore.Components;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Extensions;

/// <summary>One row of the Hosts grid: the host, and what other features loaded for it.</summary>
/// <param name="host">The host.</param>
/// <param name="clusterName">Its cluster's name.</param>
public sealed class HostRow(Host host, string clusterName)
{
    private readonly Dictionary<Type, object> parts = [];

    public Host Host { get; } = host;

    public string ClusterName { get; } = clusterName;

    /// <summary>What a feature loaded for this row, if it did.</summary>
    public T? Part<T>() where T : class => parts.TryGetValue(typeof(T), out var part) ? (T)part : null;

    /// <summary>Keeps what a feature loaded for this row, under its type.</summary>
    public void Keep<T>(T part) where T : class => parts[typeof(T)] = part;
}

/// <summary>
/// A column of the Hosts grid. The fragment is one MudDataGrid column of <see cref="HostRow"/>
/// (a fragment keeps the order of columns, a DynamicComponent does not).
/// </summary>
/// <param name="Id">Stable name in the URL and in sorting, for example <c>trust</c>; also the column's property name.</param>
/// <param name="Title">The column's heading, for the list of columns to choose.</param>
/// <param name="Order">Where it stands; the grid's own columns use 100 (name), 300 (cluster), 400 (state) and so on.</param>
/// <param name="Render">The column.</param>
public sealed record HostColumn(string Id, string Title, int Order, RenderFragment Render)
{
    /// <summary>Sorts the query by this column; null when it cannot be sorted.</summary>
    public HostSort? Sort { get; init; }

    /// <summary>Whether it is shown until the user chooses otherwise.</summary>
    public bool ShownByDefault { get; init; } = true;
}

/// <summary>Sorts hosts in the database, for example by joining a feature's own rows.</summary>
public delegate IOrderedQueryable<Host> HostSort(PortalDbContext database, IQueryable<Host> hosts, bool descending);

/// <summary>Loads what a feature shows in the grid, for the visible rows at once; keeps it with <see cref="HostRow.Keep{T}"/>.</summary>
/// <param name="Load">One query for all rows.</param>
/// <param name="Topics">Which changes make it load again.</param>
public sealed record HostRowPart(
    Func<PortalDbContext, IReadOnlyList<HostRow>, CancellationToken, Task> Load,
    IReadOnlyList<ChangeTopic> Topics);

/// <summary>A word the search box of the Hosts page understands, for example <c>trust=untrusted</c>.</summary>
/// <param name="Name">The word before the operator, lower case.</param>
/// <param name="Example">A value to teach, for example <c>untrusted</c>.</param>
/// <param name="Where">Narrows the query to hosts for which the term holds; null when the value is not understood.</param>
public sealed record HostSearchTerm(string Name, string Example, Func<PortalDbContext, IQueryable<Host>, string, IQueryable<Host>?> Where)
{
    /// <summary>The values to offer; empty when any text may follow.</summary>
    public IReadOnlyList<string> Values { get; init; } = [];
}

/// <summary>Filters above the Hosts grid, with their counts.</summary>
/// <param name="Order">Where they stand.</param>
/// <param name="Count">Counts them now.</param>
/// <param name="Topics">Which changes make them count again.</param>
public sealed record HostChips(
    int Order,
    Func<PortalDbContext, CancellationToken, Task<IReadOnlyList<HostChip>>> Count,
    IReadOnlyList<ChangeTopic> Topics);

/// <summary>One filter with its count.</summary>
/// <param name="Text">What it says, for example <c>Untrusted</c>.</param>
/// <param name="Count">How many hosts it leads to.</param>
/// <param name="Term">The search term it puts into the search box, for example <c>trust=untrusted</c>.</param>
/// <param name="Tone">Its colour and sign.</param>
public sealed record HostChip(string Text, int Count, string Term, Components.Shared.Tone Tone);

/// <summary>A tab of a host's page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">What the tab says.</param>
/// <param name="Order">Where it stands; the page's own tabs use 100 (General), 200 (Hardware &amp; BIOS), 300 (Virtual machines), 500 (Activity).</param>
/// <param name="Component">A component with a parameter <c>Host</c> of type <see cref="Host"/>.</param>
public sealed record HostTab(string Id, string Title, int Order, Type Component);

/// <summary>A piece of the header of a host's page, beside its name.</summary>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component with a parameter <c>Host</c> of type <see cref="Host"/>.</param>
public sealed record HostHeaderPart(int Order, Type Component);

/// <summary>Something to do with a host, in the row's menu and in the header of its page.</summary>
/// <param name="Id">Stable name.</param>
/// <param name="Title">What the button says: a verb.</param>
/// <param name="Icon">SVG markup of a 24×24 icon.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Requires">Who is offered it; the core checks again.</param>
/// <param name="Run">Does it. Services are those of the page.</param>
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
}
