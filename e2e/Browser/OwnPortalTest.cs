namespace Portal.E2E.Browser;

/// <summary>A test with a demo of its own, because it changes what other tests rely on.</summary>
/// <param name="chromium">The browser.</param>
public abstract class OwnPortalTest(Chromium chromium) : BrowserTest(chromium), IAsyncLifetime
{
    private RunningPortal? portal;

    /// <summary>The portal as it runs now; skips the test when there is none to start.</summary>
    private protected RunningPortal Portal
    {
        get
        {
            PublishedPortal.RequireOrSkip();
            return portal!;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (PublishedPortal.WhyNot is null)
        {
            portal = await DemoPortal.StartAsync();
        }
    }

    /// <summary>Kills it, so that it has no chance to tidy up.</summary>
    private protected Task KillPortalAsync() => Portal.KillAsync();

    /// <summary>Starts it again where it was, on its data.</summary>
    private protected async Task StartPortalAgainAsync()
    {
        var (folder, address) = (Portal.Folder, Portal.Address);
        await Portal.DisposeAsync();
        portal = await RunningPortal.StartAsync(folder, address: address);
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        try
        {
            await base.DisposeAsync();
        }
        finally
        {
            if (portal is { } running)
            {
                await running.DisposeAsync();
                Directory.Delete(running.Folder, recursive: true);
            }
        }
    }
}
