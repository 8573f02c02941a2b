namespace Portal.Components.Shared;

/// <summary>A question before something is done.</summary>
/// <param name="Title">The question: "Delete 3 virtual machines?"</param>
/// <param name="Consequence">What will happen, and whether it can be undone.</param>
/// <param name="Yes">The verb on the button that does it: "Delete".</param>
public sealed record Confirmation(string Title, string Consequence, string Yes)
{
    /// <summary>Names of what it hits.</summary>
    public IReadOnlyList<string> Hits { get; init; } = [];

    /// <summary>The button that does nothing.</summary>
    public string No { get; init; } = "Cancel";

    /// <summary>Whether the button warns by its colour.</summary>
    public bool Destructive { get; init; } = true;
}
