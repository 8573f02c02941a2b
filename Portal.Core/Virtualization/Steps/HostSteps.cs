using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Virtualization.Steps;

/// <summary>What steps that call a hypervisor share.</summary>
internal abstract class HostStep(Hypervisors hypervisors, VmStore store) : OperationStep<VmWork>
{
    protected VmStore Store => store;

    protected static Refusal Refused(string code, string doing, string host, HypervisorAnswer answer) => new(
        code,
        answer.Result == HypervisorResult.Unreachable ? RefusalKind.Unavailable : RefusalKind.Conflict,
        $"{doing} on {host} failed: {answer.Sentence}",
        answer.Result switch
        {
            HypervisorResult.Unreachable => "Check the host; it was left as it was.",
            HypervisorResult.NameTaken => "Choose another name, or remove the other machine from that host.",
            HypervisorResult.NoCapacity => "Choose another host or a smaller machine.",
            HypervisorResult.NotFound => "The machine is not on that host any more; look at its activity.",
            HypervisorResult.Unsuited => "Choose another host, or give this one what is missing.",
            HypervisorResult.Done or HypervisorResult.AlreadySo or HypervisorResult.Failed => "See the host's own log.",
        });

    /// <summary>Writes the latest decision into the domain's metadata, so that it travels with it. That it could not be written keeps no VM from running: what counts is the portal's own record.</summary>
    protected static Task CarryDecisionAsync(IHypervisor hypervisor, HostEndpoint host, VirtualMachine vm, CancellationToken ct) =>
        hypervisor.RedefineAsync(host, VmOperations.DefinitionOf(vm), ct);

    /// <summary>The host where the VM is or is to be.</summary>
    protected async Task<(IHypervisor Hypervisor, HostEndpoint Host)?> WhereAsync(Guid? hostId, CancellationToken ct) =>
        hostId is { } id && await hypervisors.EndpointAsync(id, ct) is { } host ? (hypervisors.Of(host), host) : null;

    /// <summary>Whether the host says, after an interruption, that there is nothing left to do: the VM does not run there any more. What it does instead is kept.</summary>
    protected async Task<bool> RunsNoMoreAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host)
            || await hypervisor.FindAsync(host, context.Data.VirtualMachineId, ct) is not { Reached: true } found
            || found.Domain?.State is DomainState.Running)
        {
            return false;
        }

        context.Data.StatusAfter = VmOperations.StatusOf(found.Domain?.State);
        return true;
    }

    /// <summary>Whether a VM may run on its host: a host that lost trust keeps none that requires it.</summary>
    protected static async Task<bool> MayRunAsync(TrustGate gate, VirtualMachine vm, CancellationToken ct) =>
        vm.TrustLevel == TrustLevel.Any || (vm.HostId is { } host && await gate.StillTrustedAsync(host, ct));

    /// <summary>The host it was admitted to does not qualify any more.</summary>
    protected static Refusal NotNow(VmWork work, HostEndpoint host, HostReason why) => Refusal.Conflict(
        "trust.lost",
        $"'{work.Name}' was admitted to {host.Name}, which does not qualify any more. {why.Sentence}",
        "Try again: it goes to another trusted host if there is one.");

    protected static Refusal NoHost(VmWork work) =>
        Refusal.Conflict("vm.no_host", $"'{work.Name}' has no host.", "Look at its activity; start it to have it placed.");
}

/// <summary>Defines the VM on the host the gate claimed; from then on that is its place.</summary>
internal sealed class DefineStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Define it on the host";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await Store.FindAsync(context.Data.VirtualMachineId, ct);
        return vm is { HostId: not null, TargetHostId: null } ? "Defined before the interruption." : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        if (await WhereAsync(work.HostId, ct) is not var (hypervisor, host))
        {
            return NoHost(work);
        }

        var vm = await Store.FindAsync(work.VirtualMachineId, ct);
        var answer = await hypervisor.CreateAsync(host, work.Definition with { DecisionId = vm?.DecisionId }, ct);
        if (!answer.IsSo)
        {
            return Refused("vm.define.failed", "Defining it", host.Name, answer);
        }

        await Store.SettleAsync(work.VirtualMachineId, context.Operation.Id, runs: false, ct);
        return $"Defined on {host.Name}.";
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.HostId, ct) is not var (hypervisor, host))
        {
            return;
        }

        var (id, answer) = (context.Data.VirtualMachineId, await hypervisor.DeleteAsync(host, context.Data.VirtualMachineId, withDisks: true, ct));
        if (answer.Result == HypervisorResult.Failed && (await hypervisor.StopAsync(host, id, ct)).IsSo)
        {
            // Somebody started it behind our back before it was ever finished.
            answer = await hypervisor.DeleteAsync(host, id, withDisks: true, ct);
        }

        if (!answer.IsSo && answer.Result != HypervisorResult.NotFound)
        {
            throw new InvalidOperationException($"Could not remove a half-made machine from {host.Name}: {answer.Sentence}");
        }
    }
}

/// <summary>Starts it, then looks again: if the host lost trust meanwhile, the start is undone.</summary>
internal sealed class BootStep(Hypervisors hypervisors, VmStore store, TrustGate gate) : HostStep(hypervisors, store)
{
    public override string Title => "Start it";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await Store.FindAsync(context.Data.VirtualMachineId, ct);
        if (await WhereAsync(vm?.HostId, ct) is not var (hypervisor, host))
        {
            return null;
        }

        var found = await hypervisor.FindAsync(host, context.Data.VirtualMachineId, ct);
        return found.Domain?.State == DomainState.Running && await MayRunAsync(gate, vm!, ct) ? "Started before the interruption." : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        var vm = await Store.FindAsync(work.VirtualMachineId, ct);
        if (vm is null || await WhereAsync(vm.HostId, ct) is not var (hypervisor, host))
        {
            return NoHost(work);
        }

        if (await gate.WhyNotNowAsync(vm, host.Id, context.Operation.Id, ct) is { } why)
        {
            return NotNow(work, host, why);
        }

        await CarryDecisionAsync(hypervisor, host, vm, ct);
        var answer = await hypervisor.StartAsync(host, work.VirtualMachineId, ct);
        if (!answer.IsSo)
        {
            return Refused("vm.start.failed", "Starting it", host.Name, answer);
        }

        if (!await MayRunAsync(gate, vm, ct))
        {
            await hypervisor.StopAsync(host, work.VirtualMachineId, ct);
            return TrustLost(work, host);
        }

        return $"Running on {host.Name}.";
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await Store.FindAsync(context.Data.VirtualMachineId, ct);
        if (await WhereAsync(vm?.HostId, ct) is not var (hypervisor, host))
        {
            return;
        }

        var answer = await hypervisor.StopAsync(host, context.Data.VirtualMachineId, ct);
        if (!answer.IsSo && answer.Result != HypervisorResult.NotFound)
        {
            throw new InvalidOperationException($"Could not stop the machine on {host.Name}: {answer.Sentence}");
        }
    }

    private static Refusal TrustLost(VmWork work, HostEndpoint host) => Refusal.Conflict(
        "trust.lost",
        $"{host.Name} lost trust while '{work.Name}' was starting; the start was undone.",
        "Start it again: it goes to another trusted host if there is one.");
}

/// <summary>Asks the guest to shut down.</summary>
internal sealed class ShutdownStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Ask the guest to shut down";

    public override bool IsPointOfNoReturn => true;

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await RunsNoMoreAsync(context, ct) ? "It does not run any more since the interruption, or is on its way there." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return NoHost(context.Data);
        }

        var answer = await hypervisor.ShutdownAsync(host, context.Data.VirtualMachineId, ct);
        return answer.IsSo ? "The guest was asked to shut down." : Refused("vm.shutdown.failed", "Shutting it down", host.Name, answer);
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>Pulls the plug.</summary>
internal sealed class StopStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Stop it";

    public override bool IsPointOfNoReturn => true;

    /// <summary>A machine that is gone from its host is not running there: without asking, a crash in the middle would wait for it for ever.</summary>
    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await RunsNoMoreAsync(context, ct) && context.Data.StatusAfter is VirtualMachineStatus.Down or VirtualMachineStatus.Unknown ? "It does not run any more since the interruption." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return NoHost(context.Data);
        }

        context.Data.StatusAfter = null;
        var answer = await hypervisor.StopAsync(host, context.Data.VirtualMachineId, ct);
        return answer.IsSo ? $"Stopped on {host.Name}." : Refused("vm.stop.failed", "Stopping it", host.Name, answer);
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>Removes it from its host.</summary>
internal sealed class RemoveStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Remove it from the host";

    public override bool IsPointOfNoReturn => true;

    /// <summary>Removed again rather than looked for: a machine that is gone may have left its disk behind.</summary>
    public override Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return "It was on no host.";
        }

        var answer = await hypervisor.DeleteAsync(host, context.Data.VirtualMachineId, withDisks: !context.Data.KeepsDisks, ct);
        return answer.IsSo || answer.Result == HypervisorResult.NotFound
            ? $"Removed from {host.Name}{(context.Data.KeepsDisks ? "; its disk stays" : "")}."
            : Refused("vm.delete.failed", "Removing it", host.Name, answer);
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>Tells the host of new size and words. Once it knows them nothing is left that may fail, so the edit is never undone from there.</summary>
internal sealed class RedefineStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Tell its host";

    public override bool IsPointOfNoReturn => true;

    public override Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return "It is on no host yet.";
        }

        var answer = await hypervisor.RedefineAsync(host, context.Data.Definition, ct);
        return answer.IsSo ? $"{host.Name} knows of the change." : Refused("vm.edit.failed", "Changing it", host.Name, answer);
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (context.Data.Before is { } before && await WhereAsync(context.Data.SourceHostId, ct) is var (hypervisor, host))
        {
            await hypervisor.RedefineAsync(host, before, ct);
        }
    }
}
