namespace Portal.Core.Simulation;

/// <summary>How large the simulated fleet is and how slowly its hypervisors work.</summary>
public sealed class SimulationOptions
{
    /// <summary>Hosts in all; 1 to 20,000. Raising it at a later start adds hosts; lowering it removes none.</summary>
    public int Hosts { get; set; } = 12;

    /// <summary>Clusters they are shared out to, evenly; at least 1 and at most <see cref="Hosts"/>.</summary>
    public int Clusters { get; set; } = 2;

    /// <summary>How long a guest takes to shut down.</summary>
    public TimeSpan ShutdownTime { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Wait at each step of a hypervisor call, before and after it commits; zero for none.</summary>
    public TimeSpan StepDelay { get; set; } = TimeSpan.Zero;

    /// <summary>Refuses sizes that make no fleet.</summary>
    /// <exception cref="ArgumentException">The message names the option and its limits.</exception>
    public void Validate()
    {
        if (Hosts is < 1 or > 20_000)
        {
            throw new ArgumentException($"Hosts is {Hosts}; a simulated fleet has 1 to 20,000 hosts.");
        }

        if (Clusters < 1 || Clusters > Hosts)
        {
            throw new ArgumentException($"Clusters is {Clusters}; there must be at least 1 and no more than the {Hosts} hosts.");
        }

        if (ShutdownTime < TimeSpan.Zero || StepDelay < TimeSpan.Zero)
        {
            throw new ArgumentException("ShutdownTime and StepDelay must not be negative.");
        }
    }
}
