namespace Portal.E2E;

/// <summary>The demo as users meet it, its fleet attested and its story begun: 12 hosts, 8 of them trusted. Shared by tests that only add to it.</summary>
public sealed class DemoPortal : IAsyncLifetime
{
    private RunningPortal? portal;

    /// <summary>Trusted from the start; the story leaves them alone.</summary>
    public static IReadOnlyList<string> TrustedHosts { get; } = ["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04", "kvm-b01", "kvm-b03", "kvm-b04", "kvm-b05"];

    /// <summary>Rebooted with a boot loader nobody approved.</summary>
    public const string BootLoaderChanged = "kvm-a05";

    /// <summary>Rebooted with firmware nobody approved.</summary>
    public const string FirmwareChanged = "kvm-b02";

    /// <summary>Its agent answers nothing any more.</summary>
    public const string Silent = "kvm-a06";

    /// <summary>Never enrolled.</summary>
    public const string NotEnrolled = "kvm-b06";

    /// <summary>The portal; skips the test when there is none to start.</summary>
    internal RunningPortal Portal
    {
        get
        {
            PublishedPortal.RequireOrSkip();
            return portal!;
        }
    }

    internal Uri Address => Portal.Address;

    /// <summary>A client of its REST API.</summary>
    internal RestClient Rest(string user) => new(Address, user);

    public async ValueTask InitializeAsync()
    {
        // Tests skip; a fixture that skips would fail them.
        if (PublishedPortal.WhyNot is not null)
        {
            return;
        }

        portal = await StartAsync();
    }

    /// <summary>Starts another demo, for a test that changes what others rely on, and waits until its story has begun. The caller ends it and deletes its folder.</summary>
    internal static async Task<RunningPortal> StartAsync()
    {
        var started = await RunningPortal.StartAsync(Directory.CreateTempSubdirectory("portal-demo-").FullName);
        using var rest = new RestClient(started.Address, "auditor@internal");
        await Eventually.TrueAsync(async () => HasBegun(await rest.HostsAsync()), "the demo's fleet to be attested and its story to begin", () => started.Said);
        return started;
    }

    public async ValueTask DisposeAsync()
    {
        if (portal is { } running)
        {
            await running.DisposeAsync();
            Directory.Delete(running.Folder, recursive: true);
        }
    }

    private static bool HasBegun(IReadOnlyList<RestHost> hosts)
    {
        var byName = hosts.ToDictionary(h => h.Name, StringComparer.Ordinal);
        return byName.Count == 12
            && TrustedHosts.All(name => byName[name].Trust == "trusted")
            && byName[BootLoaderChanged].Trust == "untrusted"
            && byName[FirmwareChanged].Trust == "untrusted"
            && byName[Silent].Reason.Contains("silent", StringComparison.Ordinal)
            && byName[NotEnrolled].Trust == "unknown";
    }
}
