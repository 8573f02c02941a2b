namespace Portal.E2E;

/// <summary>Where the published portal is: what these tests run, since only that serves css and js as users get them.</summary>
internal static class PublishedPortal
{
    private const string Variable = "PORTAL_PUBLISHED";

    /// <summary>The folder of the solution; null when the tests were copied away from it.</summary>
    public static string? Repository { get; } = FindRepository();

    /// <summary>Portal.dll as published.</summary>
    public static string File { get; } = Path.Combine(
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } told ? Path.GetFullPath(told) : Path.Combine(Repository ?? AppContext.BaseDirectory, "artifacts", "portal"),
        "Portal.dll");

    /// <summary>Why tests of it cannot run here; null when they can.</summary>
    public static string? WhyNot { get; } = System.IO.File.Exists(File)
        ? null
        : $"There is no published portal at {File}. Make it with 'dotnet publish Portal -c Release -o artifacts/portal', or name its folder in {Variable}.";

    public static void RequireOrSkip()
    {
        if (WhyNot is { } why)
        {
            Assert.Skip(why);
        }
    }

    private static string? FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (System.IO.File.Exists(Path.Combine(folder.FullName, "Portal.sln")))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
