using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Storage;
using Portal.Demo;
using Portal.Profiles;
using Microsoft.EntityFrameworkCore;

namespace Portal;

/// <summary>The simulated fleet of the Demo profile; nothing in Production, or when no simulated host is asked for.</summary>
public static class DemoFeature
{
    public static void AddDemo(this WebApplicationBuilder builder, PortalProfile profile)
    {
        if (!profile.IsDemo || profile.Simulation.Hosts == 0)
        {
            return;
        }

        var options = new SimulationOptions
        {
            Hosts = profile.Simulation.Hosts,
            Clusters = profile.Simulation.Clusters,
            StepDelay = TimeSpan.FromMilliseconds(profile.Simulation.StepDelayMilliseconds),
        };
        builder.Services.AddSimulation(options, profile.Beside("simulation.db"));
        builder.Services.AddSimulationMenu();
        builder.Services.AddSingleton<DemoCommands>();
        builder.Services.AddHostedService<DemoFleet>();
    }

    /// <summary>oVirt clients expect a Blank template in every installation.</summary>
    public static async Task EnsureBlankTemplateAsync(this WebApplication app)
    {
        var contexts = app.Services.GetRequiredService<IDbContextFactory<PortalDbContext>>();
        await using var db = await contexts.CreateDbContextAsync();
        if (!await db.Templates.AnyAsync(t => t.Id == Template.Blank))
        {
            db.Templates.Add(new Template { Id = Template.Blank, Name = "Blank", Description = "Nothing but defaults" });
            await db.SaveChangesAsync();
        }
    }
}
