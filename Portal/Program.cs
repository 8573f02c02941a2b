using Portal;
using Portal.Api;
using Portal.Components.Activity;
using Portal.Components.Baselines;
using Portal.Components.Clusters;
using Portal.Components.Overview;
using Portal.Components.Settings;
using Portal.Components.Tasks;
using Portal.Components.VirtualMachines;
using Portal.Identity;
using Portal.Profiles;

try
{
    // Published, css and js lie beside the program, from whatever folder it is started.
    var published = Directory.Exists(Path.Combine(AppContext.BaseDirectory, "wwwroot")) ? AppContext.BaseDirectory : null;
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = published });
    var profile = builder.AddProfile();
    builder.AddTelemetry();
    builder.AddStorage(profile);
    builder.AddIdentity(profile);
    builder.AddCore(profile);
    builder.AddRegistrar(profile);
    builder.AddWebhook(profile);
    builder.AddDemo(profile);
    builder.AddShell();
    builder.Services.AddOverviewFeature();
    builder.Services.AddVirtualMachinesPages();
    builder.Services.AddClustersPages();
    builder.Services.AddTasksDrawer();
    builder.Services.AddOvirtApi();
    builder.Services.AddBaselinesPages();
    builder.Services.AddActivityPages();
    builder.Services.AddSettingsPages(profile.IsDemo);
    builder.Services.AddHostsFeature();
    builder.Services.AddAttestationFeature();
    builder.Services.AddLostTrustFeature();
    builder.Services.AddEnrolmentFeature();
    builder.Services.AddServicesFeature();

    var app = builder.Build();
    await app.OpenStorageAsync(profile);
    await app.EnsureBlankTemplateAsync();
    app.UseProfile(profile);
    app.UseExceptionHandler("/fault", createScopeForErrors: true);
    app.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
    app.UseRouting();
    app.UseMiddleware<RestGuard>();
    app.UseMiddleware<SameOriginGuard>();
    app.UseAuthentication();
    app.UseAuthorization();
    app.UseAntiforgery();
    app.MapIdentity(profile);
    app.MapTelemetry();
    app.MapOvirtApi();
    app.MapPollHosts(profile);
    app.MapShell();
    app.GreetWhenStarted(profile);
    await app.RunAsync();
    return 0;
}
catch (StartRefusedException refused)
{
    foreach (var sentence in refused.Sentences)
    {
        await Console.Error.WriteLineAsync(sentence);
    }

    return StartRefusedException.ExitCode;
}
