namespace Portal.Core.Simulation.Hypervisors;

/// <summary>Where inside a call a simulated hypervisor may be held up.</summary>
public enum SimulationPoint
{
    /// <summary>The call came; nothing is done.</summary>
    BeforeCommit,

    /// <summary>The change is in the file; the caller does not know yet.</summary>
    AfterCommit,
}

/// <summary>Holds a hypervisor up inside a call: latency for people, the moment of a crash for tests.</summary>
public interface ISimulationPause
{
    /// <summary>Waits at a point of a call.</summary>
    Task AtAsync(SimulationPoint point, string call, string host, CancellationToken ct);
}

/// <summary>Waits as long as <see cref="SimulationOptions.StepDelay"/> says.</summary>
/// <param name="options">How long.</param>
/// <param name="time">By which clock.</param>
public sealed class StepDelayPause(SimulationOptions options, TimeProvider time) : ISimulationPause
{
    /// <inheritdoc/>
    public Task AtAsync(SimulationPoint point, string call, string host, CancellationToken ct) =>
        options.StepDelay == TimeSpan.Zero ? Task.CompletedTask : Task.Delay(options.StepDelay, time, ct);
}
