using System.Reflection;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Changes;

namespace Portal.Extensions;

/// <summary>A card on the Overview.</summary>
/// <param name="Order">Where it stands; "needs attention" comes first (100).</param>
/// <param name="Component">A component without required parameters; it draws its own <c>Card</c>.</param>
public sealed record OverviewCard(int Order, Type Component)
{
    /// <summary>Whether it takes the whole width instead of one column.</summary>
    public bool Wide { get; init; }
}

/// <summary>A source of lines for the Overview's card "Needs attention". Runs in a scope of its own.</summary>
/// <param name="Order">Where its lines stand.</param>
/// <param name="Topics">Which changes make it look again.</param>
/// <param name="Find">What needs attention now; empty when all is well.</param>
public sealed record AttentionSource(
    int Order,
    IReadOnlyList<ChangeTopic> Topics,
    Func<IServiceProvider, Caller, CancellationToken, Task<IReadOnlyList<AttentionLine>>> Find);

/// <summary>One thing that needs attention, with its reason and where to act on it.</summary>
/// <param name="Tone">How bad.</param>
/// <param name="What">What: <c>kvm-a07 is untrusted</c>.</param>
/// <param name="Why">Why, a few words.</param>
/// <param name="Since">Since when, if known.</param>
/// <param name="Action">What the link says: <c>Look why</c>.</param>
/// <param name="Href">Where it leads, from the root.</param>
public sealed record AttentionLine(Tone Tone, string What, string Why, DateTimeOffset? Since, string Action, string Href)
{
    /// <summary>How many things the line stands for.</summary>
    public int Count { get; init; } = 1;
}

/// <summary>A tab or block of a VM's page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">Its heading.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component with a parameter <c>VirtualMachine</c> of type <see cref="Core.Inventory.VirtualMachine"/>.</param>
public sealed record VmSection(string Id, string Title, int Order, Type Component);

/// <summary>A field of the dialog that makes or edits a VM.</summary>
/// <param name="Id">Stable name; equals the REST field a refusal names, so that it shows beside the field.</param>
/// <param name="Order">Where it stands; the dialog's own fields use 100 (name) to 700 (network).</param>
/// <param name="Component">A component with the parameters <c>Draft</c> of type <see cref="VmDraft"/> and <c>Changed</c> of type <c>EventCallback</c>.</param>
public sealed record VmDialogField(string Id, int Order, Type Component);

/// <summary>A block of a cluster's page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">Its heading.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component with a parameter <c>Cluster</c> of type <see cref="Core.Inventory.Cluster"/>.</param>
public sealed record ClusterSection(string Id, string Title, int Order, Type Component);

/// <summary>A section of the Settings page.</summary>
/// <param name="Id">Stable name in the URL.</param>
/// <param name="Title">Its heading.</param>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component without required parameters.</param>
public sealed record SettingsSection(string Id, string Title, int Order, Type Component);

/// <summary>Something that stays at the bottom of every page, such as the tasks.</summary>
/// <param name="Order">Where it stands.</param>
/// <param name="Component">A component without required parameters.</param>
public sealed record BottomDrawer(int Order, Type Component);

/// <summary>An assembly with routable pages of its own.</summary>
/// <param name="Assembly">The assembly.</param>
public sealed record AdditionalPages(Assembly Assembly);

/// <summary>Endpoints of a feature that are neither pages nor the REST API's own, such as a download.</summary>
/// <param name="Map">Maps them; everything not marked otherwise demands a signed-in person with a role.</param>
public sealed record AdditionalEndpoints(Action<IEndpointRouteBuilder> Map);
