namespace Portal.E2E.Peers.Crash;

/// <summary>A first start that is cut short: the next one goes on where it was, whether the demo's baselines were half written, half approved or not there.</summary>
public sealed class FirstStartTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("portal-first-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("baseline.created")]
    [InlineData("baseline.submitted")]
    [InlineData("baseline.approved")]
    [InlineData("host.enrolled")]
    public async Task Demo_KilledWhileItPrepares_IsReadyAfterTheNextStart(string after)
    {
        PublishedPortal.RequireOrSkip();
        await using (var first = await RunningPortal.StartAsync(folder))
        {
            await Eventually.TrueAsync(() => Task.FromResult(Happened(first, after) > 0), $"the first {after}", () => first.Said);
            await first.KillAsync();
        }

        await using var portal = await RunningPortal.StartAsync(folder);
        await Eventually.TrueAsync(() => Task.FromResult(portal.Said.Contains("its story has begun", StringComparison.Ordinal)), "the demo to be ready", () => portal.Said);

        Assert.Equal(Happened(portal, "baseline.created"), Happened(portal, "baseline.approved"));
        using var rest = new RestClient(portal.Address, "auditor@internal");
        // A policy that was approved last may still be applied to one or the other.
        foreach (var name in DemoPortal.TrustedHosts)
        {
            await rest.HostAsync(name, h => h.Trust == "trusted", "trusted");
        }
    }

    private static int Happened(RunningPortal portal, string action)
    {
        using var database = new ReadOnlyDatabase(portal.Database);
        return database.Rows($"SELECT count(*) FROM AuditEntries WHERE Event = '{action}'", r => r.GetInt32(0))[0];
    }
}
