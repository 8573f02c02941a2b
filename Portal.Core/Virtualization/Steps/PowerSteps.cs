using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Virtualization.Steps;

/// <summary>Stops its CPUs. Only the gate lets it run on, so this is never undone.</summary>
internal sealed class PauseStep(Hypervisors hypervisors, VmStore store) : HostStep(hypervisors, store)
{
    public override string Title => "Suspend it";

    public override bool IsPointOfNoReturn => true;

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (!await RunsNoMoreAsync(context, ct))
        {
            return null;
        }

        return context.Data.StatusAfter is VirtualMachineStatus.Paused ? "Suspended before the interruption." : "It does not run any more since the interruption.";
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return NoHost(context.Data);
        }

        var answer = await hypervisor.PauseAsync(host, context.Data.VirtualMachineId, ct);
        return answer.IsSo ? $"Suspended on {host.Name}." : Refused("vm.suspend.failed", "Suspending it", host.Name, answer);
    }

    /// <summary>The first step lets go of what recording the operation took hold of.</summary>
    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        Store.ReleaseAsync(context.Data.VirtualMachineId, context.Operation.Id, context.Data.StatusBefore, null, ct);
}

/// <summary>Lets it run on, then looks again: if the host lost trust meanwhile, it is paused again.</summary>
internal sealed class ResumeStep(Hypervisors hypervisors, VmStore store, TrustGate gate) : HostStep(hypervisors, store)
{
    public override string Title => "Let it run on";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await Store.FindAsync(context.Data.VirtualMachineId, ct);
        if (await WhereAsync(vm?.HostId, ct) is not var (hypervisor, host))
        {
            return null;
        }

        var found = await hypervisor.FindAsync(host, context.Data.VirtualMachineId, ct);
        return found.Domain?.State == DomainState.Running && await MayRunAsync(gate, vm!, ct) ? "It runs on since before the interruption." : null;
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
            return Refusal.Conflict(
                "trust.lost",
                $"'{work.Name}' was to run on, but {host.Name} does not qualify any more. {why.Sentence}",
                "Bring that host back to trust, or move the virtual machine to another.");
        }

        await CarryDecisionAsync(hypervisor, host, vm, ct);
        var answer = await hypervisor.ResumeAsync(host, work.VirtualMachineId, ct);
        if (!answer.IsSo)
        {
            return Refused("vm.resume.failed", "Letting it run on", host.Name, answer);
        }

        if (await MayRunAsync(gate, vm, ct))
        {
            return $"It runs on, on {host.Name}.";
        }

        await hypervisor.PauseAsync(host, work.VirtualMachineId, ct);
        return Refusal.Conflict(
            "trust.lost",
            $"{host.Name} lost trust while '{work.Name}' was being resumed; it was paused again.",
            "Bring that host back to trust, or move the virtual machine to another.");
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await WhereAsync(context.Data.SourceHostId, ct) is not var (hypervisor, host))
        {
            return;
        }

        var found = await hypervisor.FindAsync(host, context.Data.VirtualMachineId, ct);
        if (found is { Reached: true, Domain: not { State: DomainState.Running } })
        {
            return;
        }

        var answer = await hypervisor.PauseAsync(host, context.Data.VirtualMachineId, ct);
        if (!answer.IsSo)
        {
            throw new InvalidOperationException($"Could not pause the machine on {host.Name} again: {answer.Sentence}");
        }
    }
}

/// <summary>Asks the guest to reboot. Nothing brings back what the guest had in memory.</summary>
internal sealed class RebootStep(Hypervisors hypervisors, VmStore store, TrustGate gate) : HostStep(hypervisors, store)
{
    public override string Title => "Ask the guest to reboot";

    public override bool IsPointOfNoReturn => true;

    /// <summary>A guest that reboots looks like one that does not. It is never asked twice: the second reboot would hit a guest at work again.</summary>
    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        if (await RunsNoMoreAsync(context, ct))
        {
            return "It does not run any more since the interruption.";
        }

        return await WhereAsync(context.Data.SourceHostId, ct) is var (hypervisor, host) && (await hypervisor.FindAsync(host, context.Data.VirtualMachineId, ct)).Reached
            ? "It may have been asked before the interruption; it is not asked twice."
            : null;
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
            return Refusal.Conflict(
                "trust.lost",
                $"'{work.Name}' was to be rebooted, but {host.Name} does not qualify any more. {why.Sentence}",
                "Move it to a trusted host first.");
        }

        var answer = await hypervisor.RebootAsync(host, work.VirtualMachineId, ct);
        return answer.IsSo ? $"The guest was asked to reboot on {host.Name}." : Refused("vm.reboot.failed", "Rebooting it", host.Name, answer);
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}
