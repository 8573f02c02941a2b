using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Simulation.Hypervisors;

namespace Portal.Tests.World;

/// <summary>Lets a test do something inside a call to the simulated hypervisor.</summary>
internal sealed class ScriptedPause : ISimulationPause
{
    /// <summary>What happens at a point of a call, on a host.</summary>
    public Func<SimulationPoint, string, Task> At { get; set; } = (_, _) => Task.CompletedTask;

    public static void AddTo(IServiceCollection services) =>
        services.AddSingleton<ScriptedPause>().AddSingleton<ISimulationPause>(provider => provider.GetRequiredService<ScriptedPause>());

    public Task AtAsync(SimulationPoint point, string call, string host, CancellationToken ct) => At(point, call).WaitAsync(ct);
}
