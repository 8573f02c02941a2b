using Portal.Profiles;

namespace Portal;

/// <summary>The profile: what this process is for, and what it refuses.</summary>
public static class ProfileFeature
{
    private const long MaxBody = 1024 * 1024;

    /// <summary>Reads and checks the configuration.</summary>
    /// <exception cref="StartRefusedException">Something is missing or wrong.</exception>
    public static PortalProfile AddProfile(this WebApplicationBuilder builder)
    {
        var profile = new ProfileReader(builder.Configuration).Read();
        builder.Services.AddSingleton(profile);
        builder.Services.AddSingleton(profile.Simulation);
        builder.Services.AddSingleton(TimeProvider.System);
        if (profile.IsDemo && ProfileReader.Addresses(builder.Configuration).Count == 0)
        {
            builder.WebHost.UseUrls(ProfileReader.DemoAddress);
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBody;
        });

        // Started from the build output (dotnet run), css and js come from where they are built; published, this does nothing.
        builder.WebHost.UseStaticWebAssets();
        return profile;
    }

    /// <summary>Comes first in the pipeline.</summary>
    public static void UseProfile(this WebApplication app, PortalProfile profile)
    {
        if (profile.IsDemo)
        {
            app.UseMiddleware<LoopbackGuard>();
        }
        else
        {
            app.UseHsts();
            app.UseHttpsRedirection();
        }

        app.UseMiddleware<SecurityHeaders>();
    }
}
