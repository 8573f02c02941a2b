using System.Text.Json;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>
/// Moves VMs away from a host, a few at a time, the most important first, each by an ordinary operation through the trust gate. What cannot be
/// gone on with now is waited for without holding anything up. Cancelled, or without a reason to go on, it ends after the VMs in flight.
/// </summary>
/// <param name="desk">Says how it stands.</param>
/// <param name="departures">Begins with VMs.</param>
/// <param name="hypervisors">Tell whether the host can be reached at all.</param>
internal sealed class MoveAwayStep(EvacuationDesk desk, Departures departures, Hypervisors hypervisors) : OperationStep<EvacuationWork>
{
    public override string Title => "Move its virtual machines away";

    public override bool StopsItself => true;

    /// <summary>Never known to be done: what is left is moved.</summary>
    public override Task<string?> CheckAsync(OperationContext<EvacuationWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<EvacuationWork> context, CancellationToken ct)
    {
        var flights = new Flights(departures);
        try
        {
            return await MoveAsync(context, flights, ct);
        }
        catch (Exception fault) when (Refusals.IsLocked(fault))
        {
            return OperationWait.Refusal(Refusals.DatabaseBusy().Sentence);
        }
        finally
        {
            await flights.EndAsync();
        }
    }

    /// <summary>What moved is where it is safe; nothing is brought back.</summary>
    public override Task UndoAsync(OperationContext<EvacuationWork> context, CancellationToken ct) => Task.CompletedTask;

    private async Task<Outcome<string>> MoveAsync(OperationContext<EvacuationWork> context, Flights flights, CancellationToken ct)
    {
        while (true)
        {
            var look = await desk.LookAsync(context.Data, context.Operation, ct);
            context.Operation.Data = JsonSerializer.Serialize(context.Data);
            var goesOn = await context.TellAsync(look.Percent, look.Words, ct) && look.EndsBecause is null;
            flights.Join(look, ct);
            var hindrance = goesOn ? await BeginAsync(context, look, flights, ct) : null;
            if (flights.Any)
            {
                await flights.LandAsync(ct);
                continue;
            }

            if (look.EndsBecause is not null)
            {
                context.Data.ReasonWentAway = true;
                return look.EndWords;
            }

            if (!goesOn)
            {
                return OperationStop.Refusal(look.StoppedWords);
            }

            if ((hindrance ?? look.WaitsFor) is { } waits)
            {
                return OperationWait.Refusal(waits);
            }

            return look.EndWords;
        }
    }

    /// <summary>Begins with as many VMs as may be in flight. Why it could not, if something stood in the way; null otherwise.</summary>
    private async Task<string?> BeginAsync(OperationContext<EvacuationWork> context, EvacuationLook look, Flights flights, CancellationToken ct)
    {
        var work = context.Data;
        var next = look.Machines.Where(m => m.Case is MachineCase.Move or MachineCase.FallBack).ToList();
        if (next.Count == 0 || flights.Count >= work.AtOnce)
        {
            return null;
        }

        if (!await IsReachedAsync(work, next[0], ct))
        {
            return $"The hypervisor of {work.HostName} does not answer; {look.Words}";
        }

        string? hindrance = null;
        foreach (var machine in next.Take(work.AtOnce - flights.Count))
        {
            var id = machine.Case == MachineCase.Move ? machine.OperationId!.Value : Departures.FallbackId(context.Operation.Id, machine.Machine.Id);
            var departure = machine.Case == MachineCase.Move
                ? await departures.BeginMoveAsync(id, machine.Machine, work.AtOnce, context.Person, ct)
                : await departures.BeginFallbackAsync(id, machine.Machine, work.Fallback, context.Person, ct);
            switch (departure)
            {
                case Departure.Begun:
                    flights.Begin(id, ct);
                    break;
                case Departure.NoRoom:
                    return $"Other virtual machines of {work.HostName} are moving; {look.Words}";
                case Departure.Changed:
                    hindrance = $"Something changed meanwhile; {look.Words}";
                    break;
            }
        }

        return hindrance;
    }

    private async Task<bool> IsReachedAsync(EvacuationWork work, MachineStanding machine, CancellationToken ct) =>
        await hypervisors.EndpointAsync(work.HostId, ct) is { } host && (await hypervisors.Of(host).FindAsync(host, machine.Machine.Id, ct)).Reached;

    /// <summary>Operations that run now.</summary>
    private sealed class Flights(Departures departures)
    {
        private readonly Dictionary<Guid, Task> running = [];
        private readonly HashSet<Guid> landed = [];

        public int Count => running.Count;

        public bool Any => running.Count > 0;

        public void Begin(Guid id, CancellationToken ct) => running[id] = departures.RunAsync(id, ct);

        /// <summary>Takes part in what an earlier run began. One that landed without an end is left to recovery.</summary>
        public void Join(EvacuationLook look, CancellationToken ct)
        {
            foreach (var id in look.Machines.Where(m => m.Case == MachineCase.InFlight).Select(m => m.OperationId!.Value).Where(id => !running.ContainsKey(id) && !landed.Contains(id)))
            {
                Begin(id, ct);
            }
        }

        /// <summary>Waits until one has ended, or stopped where only recovery can go on.</summary>
        public async Task LandAsync(CancellationToken ct)
        {
            await Task.WhenAny(running.Values);
            foreach (var (id, task) in running.Where(r => r.Value.IsCompleted).ToList())
            {
                // A fault is that its undo did not come to an end: recovery tries it again.
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                running.Remove(id);
                landed.Add(id);
            }

            ct.ThrowIfCancellationRequested();
        }

        /// <summary>Waits for all: nothing of it runs on behind the back of whoever enters the step again.</summary>
        public Task EndAsync() => Task.WhenAll(running.Values.Select(Quietly));

        private static async Task Quietly(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
