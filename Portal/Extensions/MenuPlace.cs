using Portal.Core.Access;
using Portal.Core.Changes;

namespace Portal.Extensions;

/// <summary>A place in the main menu. Registered by the feature that owns the page, so there are no dead links.</summary>
/// <param name="Title">What the menu says.</param>
/// <param name="Href">Where it leads, from the root, for example <c>hosts</c>; empty is the front page.</param>
/// <param name="Icon">SVG markup of a 24×24 icon, for example one of MudBlazor's <c>Icons.Material.Outlined</c>.</param>
/// <param name="Order">Where it stands; see <see cref="MenuOrder"/>.</param>
public sealed record MenuPlace(string Title, string Href, string Icon, int Order)
{
    /// <summary>Counts what needs attention there; null shows no badge.</summary>
    public BadgeCount? Badge { get; init; }

    /// <summary>The same where the number depends on who looks; used instead of <see cref="Badge"/>.</summary>
    public BadgeCountFor? BadgeFor { get; init; }

    /// <summary>Which changes make the badge count again.</summary>
    public IReadOnlyList<ChangeTopic> BadgeTopics { get; init; } = [];

    /// <summary>Who sees the place; null shows it to everybody who is signed in.</summary>
    public Permission? Requires { get; init; }
}

/// <summary>Counts what needs attention at a place. Runs in a scope of its own; null or zero shows nothing.</summary>
public delegate Task<MenuBadge?> BadgeCount(IServiceProvider services, CancellationToken ct);

/// <summary>Counts what waits at a place for one person. Runs in a scope of its own; null or zero shows nothing.</summary>
public delegate Task<MenuBadge?> BadgeCountFor(IServiceProvider services, Caller caller, CancellationToken ct);

/// <summary>The number beside a place in the menu.</summary>
/// <param name="Count">How many.</param>
/// <param name="Meaning">What the number counts, for the tooltip and screen readers: <c>2 hosts are untrusted</c>.</param>
public sealed record MenuBadge(int Count, string Meaning);

/// <summary>Where the places of the menu stand; a site's own place goes between two of them.</summary>
public static class MenuOrder
{
    public const int Overview = 100;
    public const int Hosts = 200;
    public const int VirtualMachines = 300;
    public const int Clusters = 400;
    public const int Baselines = 500;
    public const int Activity = 600;
    public const int Settings = 700;
}
