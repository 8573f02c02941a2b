using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Storage;

namespace Portal.Tests.Simulation;

/// <summary>The simulation as a portal composes it, on a database and a simulation file of its own. Nothing hosted runs.</summary>
internal sealed class SimulatedPortal : IAsyncDisposable
{
    public static readonly Caller Administrator = Caller.With(new Person("test", "ada", "ada@internal"), Role.Administrator);
    public static readonly Caller Operator = Caller.With(new Person("test", "otto", "otto@internal"), Role.Operator);

    private readonly string folder = Directory.CreateTempSubdirectory("portal-simulation-").FullName;
    private readonly ServiceProvider services;

    private SimulatedPortal(SimulationOptions options)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.AddSingleton<AuditLog>();
        collection.AddSingleton<AccessControl>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddPortalStorage($"Data Source={Path.Combine(folder, "portal.db")};Pooling=False");
        collection.AddSimulation(options, Path.Combine(folder, "simulation.db"));
        services = collection.BuildServiceProvider(validateScopes: true);
        SimulatedWorld.GiveKeys(Get<SimulationState>());
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero));

    public SimulatedHostActions Actions => Get<SimulatedHostActions>();

    public static async Task<SimulatedPortal> StartAsync(SimulationOptions? options = null, bool seed = true)
    {
        var portal = new SimulatedPortal(options ?? new SimulationOptions());
        await using var db = portal.Database();
        await db.Database.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        if (seed)
        {
            await portal.Get<DemoSeed>().EnsureAsync(TestContext.Current.CancellationToken);
        }

        return portal;
    }

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public PortalDbContext Database() => Get<IDbContextFactory<PortalDbContext>>().CreateDbContext();

    public async Task<Host> HostAsync(string name)
    {
        await using var db = Database();
        return await db.Hosts.SingleAsync(h => h.Name == name, TestContext.Current.CancellationToken);
    }

    public async Task<SimulatedCondition> ConditionAsync(string name) => Get<SimulatedFleet>().ConditionOf((await HostAsync(name)).Endpoint)!;

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
