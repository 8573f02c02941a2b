using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Virtualization.Steps;

/// <summary>
/// Moves the VM to the host the gate claimed, if that is another one. However it ends (done, failed, cancelled, after a crash), both hosts are asked where it is, and that is
/// what the portal then says: a move that did not happen leaves it at its source, one that did is kept.
/// </summary>
internal sealed class MoveStep(Hypervisors hypervisors, VmStore store, TrustGate gate, TimeProvider time) : HostStep(hypervisors, store)
{
    /// <summary>How often progress is written down, and a wish to cancel looked for.</summary>
    public static readonly TimeSpan TellEvery = TimeSpan.FromMilliseconds(500);

    public override string Title => "Move it to the host";

    /// <summary>After a crash in the middle: one that arrived is settled there, and of one that did not no idle copy stays at the target to stand in the way.</summary>
    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (work, vm) = (context.Data, await Store.FindAsync(context.Data.VirtualMachineId, ct));
        if (vm is { TargetHostId: null } && vm.HostId == work.HostId)
        {
            return "Moved before the interruption.";
        }

        if (vm is null || await EndsAsync(work, ct) is not { } ends)
        {
            return null;
        }

        var found = await LookAsync(ends, work, ct);
        await TidyAsync(ends, found, work, ct);
        return found.Place is Place.Target ? await ArrivedAsync(context, ends, ct) : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        if (work.HostId == work.SourceHostId)
        {
            return "It stays where it is.";
        }

        if (await EndsAsync(work, ct) is not { } ends || await Store.FindAsync(work.VirtualMachineId, ct) is not { } vm)
        {
            return NoHost(work);
        }

        if (await gate.WhyNotNowAsync(vm, ends.Target.Id, context.Operation.Id, ct) is { } why)
        {
            return NotNow(work, ends.Target, why);
        }

        var settings = await Store.MigrationSettingsAsync(work.ClusterId, ct);
        var (answer, isStopped) = await MoveAsync(context, ends, settings, ct);
        if (answer is { IsSo: true } && !isStopped)
        {
            return await ArrivedAsync(context, ends, ct);
        }

        var found = await LookAsync(ends, work, ct);
        await TidyAsync(ends, found, work, ct);
        if (found.Place is Place.Target)
        {
            var arrived = await ArrivedAsync(context, ends, ct);
            return isStopped ? OperationStop.Refusal($"It had arrived on {ends.Target.Name} before it could be stopped, and stays there.") : arrived;
        }

        return isStopped
            ? OperationStop.Refusal($"The move was stopped; it is on {ends.Source.Name} as before.")
            : Refused("vm.move.failed", $"Moving it from {ends.Source.Name}", ends.Target.Name, answer!);
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (work, vm) = (context.Data, await Store.FindAsync(context.Data.VirtualMachineId, ct));
        if (vm is null || work.HostId == work.SourceHostId || await EndsAsync(work, ct) is not { } ends)
        {
            return;
        }

        if (vm.TargetHostId is not null)
        {
            var found = await LookAsync(ends, work, ct);
            await TidyAsync(ends, found, work, ct);
            switch (found.Place)
            {
                case Place.Untold:
                    throw new InvalidOperationException($"Cannot tell whether the machine is on {ends.Source.Name} or reached {ends.Target.Name}: not both answer.");
                case Place.Source or Place.Nowhere:
                    return;
                case Place.Target:
                    await ArrivedAsync(context, ends, ct);
                    break;
            }
        }

        if (context.Operation.FailureCode is null && (await Store.FindAsync(work.VirtualMachineId, ct))?.HostId == ends.Target.Id)
        {
            context.Operation.Failure = $"Cancelled on request, but it had arrived on {ends.Target.Name} already and stays there.";
        }
    }

    private async Task<Ends?> EndsAsync(VmWork work, CancellationToken ct) =>
        await WhereAsync(work.SourceHostId, ct) is var (from, source) && await WhereAsync(work.HostId, ct) is var (to, target)
            ? new Ends(from, source, to, target)
            : null;

    /// <summary>The target is asked first: see <see cref="Whereabouts.Of"/>.</summary>
    private static async Task<Whereabouts> LookAsync(Ends ends, VmWork work, CancellationToken ct)
    {
        var there = await ends.To.FindAsync(ends.Target, work.VirtualMachineId, ct);
        var here = await ends.From.FindAsync(ends.Source, work.VirtualMachineId, ct);
        return Whereabouts.Of(here, there, work.StatusBefore);
    }

    /// <summary>Removes an idle copy of ours from where the VM is not. Never its disks: they may be the very ones the VM uses.</summary>
    private static async Task TidyAsync(Ends ends, Whereabouts found, VmWork work, CancellationToken ct)
    {
        if (found.Leftover is { IsOurs: true, State: DomainState.ShutOff })
        {
            _ = found.Place is Place.Source
                ? await ends.To.DeleteAsync(ends.Target, work.VirtualMachineId, withDisks: false, ct)
                : await ends.From.DeleteAsync(ends.Source, work.VirtualMachineId, withDisks: false, ct);
        }
    }

    private async Task<string> ArrivedAsync(OperationContext<VmWork> context, Ends ends, CancellationToken ct)
    {
        if (await Store.FindAsync(context.Data.VirtualMachineId, ct) is { } vm)
        {
            await CarryDecisionAsync(ends.To, ends.Target, vm, ct);
        }

        await Store.SettleAsync(context.Data.VirtualMachineId, context.Operation.Id, Runs(context.Data), ct);
        return $"Moved from {ends.Source.Name} to {ends.Target.Name}.";
    }

    /// <summary>The call itself, told of as it goes on. Without an answer it was broken off because somebody asked to.</summary>
    private async Task<(HypervisorAnswer? Answer, bool IsStopped)> MoveAsync(OperationContext<VmWork> context, Ends ends, MigrationSettings settings, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var note = new ProgressNote(0, $"Moving from {ends.Source.Name} to {ends.Target.Name}.");
        var telling = TellAsync(context, () => Volatile.Read(ref note), stop, ended.Token);
        try
        {
            var answer = await ends.From.MigrateAsync(
                ends.Source,
                ends.Target,
                context.Data.VirtualMachineId,
                settings,
                (percent, sentence) => Volatile.Write(ref note, new ProgressNote(percent, sentence)),
                stop.Token);
            return (answer, stop.IsCancellationRequested);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            return (null, true);
        }
        finally
        {
            await ended.CancelAsync();
            await telling;
        }
    }

    private async Task TellAsync(OperationContext<VmWork> context, Func<ProgressNote> note, CancellationTokenSource stop, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(TellEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
            {
                var (percent, sentence) = note();
                if (!await TellAsync(context, percent, sentence))
                {
                    await stop.CancelAsync();
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The move has ended.
        }
    }

    /// <summary>Not cancelled halfway: the record of the operation is the runner's, and has to be whole when the step ends.</summary>
    private static async Task<bool> TellAsync(OperationContext<VmWork> context, int percent, string sentence)
    {
        try
        {
            return await context.TellAsync(percent, sentence, CancellationToken.None);
        }
        catch (Exception fault) when (fault is DbException or DbUpdateException)
        {
            // Told again at the next tick; a move does not end because its progress could not be written down.
            return true;
        }
    }

    private static bool Runs(VmWork work) => work.StatusBefore is VirtualMachineStatus.Up or VirtualMachineStatus.Paused;

    private sealed record Ends(IHypervisor From, HostEndpoint Source, IHypervisor To, HostEndpoint Target);

    private sealed record ProgressNote(int Percent, string Sentence);
}
