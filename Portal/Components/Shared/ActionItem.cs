namespace Portal.Components.Shared;

/// <summary>Something to do, in an <see cref="ActionMenu"/>: a link or something that runs.</summary>
/// <param name="Title">A verb.</param>
/// <param name="Run">Does it; null for a link.</param>
public sealed record ActionItem(string Title, Func<Task>? Run)
{
    /// <summary>Where it leads, instead of running something.</summary>
    public string? Href { get; init; }

    /// <summary>Why it cannot be done now; null when it can.</summary>
    public string? WhyNot { get; init; }

    /// <summary>Whether it warns by its colour.</summary>
    public bool Destructive { get; init; }
}
