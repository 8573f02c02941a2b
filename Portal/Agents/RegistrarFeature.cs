using Portal.Profiles;
using Portal.Agents;

namespace Portal;

/// <summary>The face for hosts' agents: a listener of its own, with nothing else on it.</summary>
public static class RegistrarFeature
{
    /// <summary>Adds the listener when it is enabled.</summary>
    public static void AddRegistrar(this WebApplicationBuilder builder, PortalProfile profile)
    {
        if (profile.Registrar.Enabled)
        {
            builder.Services.AddSingleton(profile.Registrar);
            builder.Services.AddHostedService<RegistrarListener>();
        }
    }

    /// <summary>Adds the listener for notices of Keylime verifiers when it is enabled.</summary>
    public static void AddWebhook(this WebApplicationBuilder builder, PortalProfile profile)
    {
        if (profile.Webhook.Enabled)
        {
            builder.Services.AddSingleton(profile.Webhook);
            builder.Services.AddSingleton<WebhookListener>();
            builder.Services.AddHostedService(provider => provider.GetRequiredService<WebhookListener>());
        }
    }
}
