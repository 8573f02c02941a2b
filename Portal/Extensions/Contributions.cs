namespace Portal.Extensions;

/// <summary>How features, and a site's own assemblies, contribute to pages they do not own: they register records at start.</summary>
public static class Contributions
{
    /// <summary>Adds a contribution, for example a <see cref="MenuPlace"/> or a <see cref="HostTab"/>.</summary>
    public static IServiceCollection Contribute<T>(this IServiceCollection services, T contribution) where T : class =>
        services.AddSingleton(contribution);
}
