using Portal.Core.Inventory;

namespace Portal.Components.Hosts;

/// <summary>One view of the grid: everything its address says, and nothing else.</summary>
/// <param name="Search">The search as typed.</param>
/// <param name="Sort">Column sorted by.</param>
/// <param name="Descending">Whether largest first.</param>
/// <param name="Columns">Ids of the columns shown, comma separated; null for those shown by default.</param>
public sealed record HostsView(string Search, string Sort, bool Descending, string? Columns)
{
    /// <summary>What the grid is sorted by until somebody chooses.</summary>
    public const string DefaultSort = "name";

    /// <summary>The view an address names.</summary>
    public static HostsView Of(string? search, string? sort, bool? descending, string? columns) =>
        new(search?.Trim() ?? "", string.IsNullOrEmpty(sort) ? DefaultSort : sort, descending ?? false, string.IsNullOrEmpty(columns) ? null : columns);

    /// <summary>The address of this view.</summary>
    public string Href
    {
        get
        {
            var parts = new List<string>();
            if (Search.Length > 0)
            {
                parts.Add($"q={Uri.EscapeDataString(Search)}");
            }

            if (Sort != DefaultSort || Descending)
            {
                parts.Add($"sort={Uri.EscapeDataString(Sort)}");
            }

            if (Descending)
            {
                parts.Add("desc=true");
            }

            if (Columns is not null)
            {
                parts.Add($"columns={Uri.EscapeDataString(Columns)}");
            }

            return parts.Count == 0 ? "/hosts" : $"/hosts?{string.Join('&', parts)}";
        }
    }

    /// <summary>Whether what changes on a host can move it in the list, or out of it.</summary>
    public bool CanMove => Search.Length > 0 || Sort is not ("name" or "address" or "model");

    /// <summary>A part of the list.</summary>
    public HostQuery Query(int skip, int take) => new() { Search = Search, SortBy = Sort, Descending = Descending, Skip = skip, Take = take };

    /// <summary>This view sorted by a column, or the other way round if it is already.</summary>
    public HostsView SortedBy(string column, bool largestFirst) =>
        this with { Sort = column, Descending = Sort == column ? !Descending : largestFirst };
}
