using System.Collections.Immutable;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation.Hypervisors;

/// <summary>What a call comes to: the answer, what to write, and what follows once written.</summary>
internal sealed record Decided(HypervisorAnswer Answer, IReadOnlyCollection<FileChange> Changes, Action? Then = null)
{
    public static Decided No(HypervisorResult result, string sentence) => new(new HypervisorAnswer(result, sentence), []);

    public static Decided Yes(string sentence, params IReadOnlyCollection<FileChange> changes) => new(new HypervisorAnswer(HypervisorResult.Done, sentence), changes);
}

/// <summary>What a hypervisor does when asked, as a function of what the host runs. The memory of every defined VM is set aside, running or not.</summary>
internal static class DomainDecisions
{
    public static Decided Create(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, DomainDefinition definition)
    {
        if (!domains.TryGetValue(definition.Id, out var there))
        {
            return Obstacle(host, domains, definition)
                ?? Decided.Yes($"{definition.Name} is defined on {host.Name}.", new FileChange.DomainSaved(host.Name, new Domain(definition, DomainState.ShutOff)));
        }

        if (there.Definition == definition)
        {
            return Decided.No(HypervisorResult.AlreadySo, $"{definition.Name} is already defined on {host.Name}.");
        }

        // The same VM under a newer decision: only its metadata changes. Anything else is another machine under its id.
        return there.Definition.IsSameMachineAs(definition)
            ? Decided.Yes($"{definition.Name} was already defined on {host.Name}; its metadata is new.", new FileChange.DomainSaved(host.Name, there with { Definition = definition }))
            : Decided.No(HypervisorResult.Failed, $"{host.Name} already has {there.Definition.Name} under this id, defined otherwise.");
    }

    public static Decided Start(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.ShutOff => Become(host, domain, DomainState.Running, "is running"),
        DomainState.Running => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} already runs on {host.Name}."),
        DomainState.Paused => Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} is paused; let it run on."),
        DomainState.ShuttingDown => Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} is shutting down; start it when it is off."),
    });

    public static Decided Shutdown(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.Running => Become(host, domain, DomainState.ShuttingDown, "was asked to shut down"),
        DomainState.ShuttingDown => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} is already shutting down."),
        DomainState.ShutOff => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} is already off."),
        DomainState.Paused => Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} is paused; let it run on first."),
    });

    public static Decided Pause(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.Running => Become(host, domain, DomainState.Paused, "is paused"),
        DomainState.Paused => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} is paused already."),
        DomainState.ShutOff or DomainState.ShuttingDown => NotRunning(domain),
    });

    public static Decided Resume(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.Paused => Become(host, domain, DomainState.Running, "runs on"),
        DomainState.Running => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} runs already."),
        DomainState.ShutOff or DomainState.ShuttingDown => NotRunning(domain),
    });

    public static Decided Reboot(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.Running => Become(host, domain, DomainState.Running, "reboots"),
        DomainState.Paused or DomainState.ShutOff or DomainState.ShuttingDown => NotRunning(domain),
    });

    private static Decided NotRunning(Domain domain) => Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} does not run.");

    public static IReadOnlyCollection<FileChange> ShutdownDone(string host, ImmutableDictionary<Guid, Domain> domains, Guid id) =>
        domains.TryGetValue(id, out var domain) && domain.State == DomainState.ShuttingDown
            ? [new FileChange.DomainSaved(host, domain with { State = DomainState.ShutOff })]
            : [];

    public static Decided Stop(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id) => Find(host, domains, id, domain => domain.State switch
    {
        DomainState.Running or DomainState.ShuttingDown or DomainState.Paused => Become(host, domain, DomainState.ShutOff, "is off"),
        DomainState.ShutOff => Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} is already off."),
    });

    public static Decided Redefine(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, DomainDefinition definition) => Find(host, domains, definition.Id, domain =>
    {
        if (domain.Definition == definition)
        {
            return Decided.No(HypervisorResult.AlreadySo, $"{definition.Name} is already defined so.");
        }

        if (domain.State != DomainState.ShutOff && !domain.Definition.IsSameMachineAs(definition))
        {
            return Decided.No(HypervisorResult.Failed, $"{definition.Name} is running; only its metadata can change now.");
        }

        return Obstacle(host, domains.Remove(definition.Id), definition)
            ?? Decided.Yes($"{definition.Name} is redefined.", new FileChange.DomainSaved(host.Name, domain with { Definition = definition }));
    });

    public static Decided Delete(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id)
    {
        if (!domains.TryGetValue(id, out var domain))
        {
            return Decided.No(HypervisorResult.AlreadySo, $"{host.Name} has no such VM.");
        }

        return domain.State == DomainState.ShutOff
            ? Decided.Yes($"{domain.Definition.Name} is removed from {host.Name}.", new FileChange.DomainRemoved(host.Name, id))
            : Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} is running; stop it first.");
    }

    public static Decided Migrate(SimulatedHost source, SimulatedHost target, ImmutableDictionary<Guid, Domain> from, ImmutableDictionary<Guid, Domain> to, Guid id)
    {
        if (!from.TryGetValue(id, out var domain))
        {
            return to.ContainsKey(id)
                ? Decided.No(HypervisorResult.AlreadySo, $"{target.Name} has the VM already.")
                : Unknown(source);
        }

        if (source.Name == target.Name)
        {
            return Decided.No(HypervisorResult.AlreadySo, $"{domain.Definition.Name} is on {target.Name} already.");
        }

        if (to.ContainsKey(id))
        {
            return Decided.No(HypervisorResult.Failed, $"Both {source.Name} and {target.Name} have {domain.Definition.Name}; remove one of them.");
        }

        if (domain.State == DomainState.ShuttingDown)
        {
            return Decided.No(HypervisorResult.Failed, $"{domain.Definition.Name} is shutting down; migrate it when it is off.");
        }

        return Obstacle(target, to, domain.Definition) ?? Decided.Yes(
            $"{domain.Definition.Name} moved from {source.Name} to {target.Name}.",
            new FileChange.DomainSaved(target.Name, domain),
            new FileChange.DomainRemoved(source.Name, id));
    }

    private static Decided Find(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, Guid id, Func<Domain, Decided> decide) =>
        domains.TryGetValue(id, out var domain) ? decide(domain) : Unknown(host);

    private static Decided Unknown(SimulatedHost host) => Decided.No(HypervisorResult.NotFound, $"{host.Name} does not know this VM.");

    private static Decided Become(SimulatedHost host, Domain domain, DomainState state, string words) =>
        Decided.Yes($"{domain.Definition.Name} {words}.", new FileChange.DomainSaved(host.Name, domain with { State = state }));

    private static Decided? Obstacle(SimulatedHost host, ImmutableDictionary<Guid, Domain> others, DomainDefinition definition)
    {
        if (others.Values.Any(d => string.Equals(d.Definition.Name, definition.Name, StringComparison.Ordinal)))
        {
            return Decided.No(HypervisorResult.NameTaken, $"Another VM of {host.Name} is called {definition.Name}.");
        }

        var free = host.Memory - others.Values.Sum(d => d.Definition.Memory);
        return definition.Memory > free
            ? Decided.No(HypervisorResult.NoCapacity, $"{definition.Name} needs {definition.Memory >> 20} MiB of memory; {host.Name} has {free >> 20} MiB left.")
            : null;
    }
}
