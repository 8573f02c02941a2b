using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Portal.Identity.Provider;
using Portal.Profiles;

namespace Portal;

/// <summary>What the console says once the portal listens.</summary>
public static class Greeting
{
    public static void GreetWhenStarted(this WebApplication app, PortalProfile profile) =>
        app.Lifetime.ApplicationStarted.Register(() =>
        {
            var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
            Console.Out.WriteLine($"\nTrusted pools ({profile.Kind}) listens on {string.Join(", ", addresses)}");
            if (profile.IsDemo)
            {
                Console.Out.WriteLine($"Sign in with the password '{DemoUsers.Password}' as one of:");
                foreach (var (name, role, mayDo) in DemoUsers.All)
                {
                    Console.Out.WriteLine($"  {name,-20} {role,-14} {mayDo}");
                }
            }

            Console.Out.WriteLine($"Data: {profile.DataFolder}\n");
        });
}
