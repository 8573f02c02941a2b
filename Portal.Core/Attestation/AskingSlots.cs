namespace Portal.Core.Attestation;

/// <summary>Who goes first where several wait for a slot.</summary>
public enum Urgency
{
    /// <summary>A VM waits to start on the host.</summary>
    MachineWaits,

    /// <summary>The host's regular turn.</summary>
    Turn,

    /// <summary>One of many that somebody asked for at once.</summary>
    Many,
}

/// <summary>
/// How many hosts are asked at the same time, over all clusters. Hosts that answered promptly last time and those that did not have shares
/// of their own, and who takes longer than <see cref="PromptWithin"/> gives its slot back while it is still waited for: however many agents
/// hang, they delay each other and nobody else.
/// </summary>
/// <param name="time">Our clock.</param>
public sealed class AskingSlots(TimeProvider time)
{
    /// <summary>Hosts that answer promptly, asked at the same time.</summary>
    public const int Prompt = 64;

    /// <summary>Hosts that did not answer promptly last time, asked at the same time.</summary>
    public const int Slow = 64;

    /// <summary>Hosts still waited for after they gave their slot back. Beyond that, they keep it: a bound on connections and memory.</summary>
    public const int Overdue = 512;

    /// <summary>How long a prompt host keeps its slot.</summary>
    public static readonly TimeSpan PromptWithin = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly Share prompt = new(Prompt);
    private readonly Share slow = new(Slow);
    private int overdue;

    /// <summary>Waits for a slot. Give it back by disposing of it.</summary>
    /// <param name="isSlow">Whether the host did not answer promptly last time.</param>
    /// <param name="urgency">Who goes first.</param>
    /// <param name="ct">Cancels the waiting.</param>
    public async ValueTask<Slot> EnterAsync(bool isSlow, Urgency urgency, CancellationToken ct)
    {
        var share = isSlow ? slow : prompt;
        TaskCompletionSource? turn;
        lock (gate)
        {
            turn = share.TakeOrWait(urgency);
        }

        if (turn is not null)
        {
            try
            {
                await turn.Task.WaitAsync(ct);
            }
            catch (OperationCanceledException)
            {
                GiveUp(share, turn);
                throw;
            }
        }

        return new Slot(this, share, time);
    }

    private void GiveUp(Share share, TaskCompletionSource turn)
    {
        lock (gate)
        {
            if (!turn.TrySetCanceled(CancellationToken.None))
            {
                share.GiveBack();
            }
        }
    }

    /// <summary>The right to ask one host.</summary>
    public sealed class Slot : IDisposable
    {
        private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

        private readonly AskingSlots slots;
        private readonly Share share;
        private readonly TimeProvider time;
        private readonly long enteredAt;
        private readonly ITimer? timer;
        private bool isOverdue;
        private bool isGone;

        internal Slot(AskingSlots slots, Share share, TimeProvider time)
        {
            (this.slots, this.share, this.time, enteredAt) = (slots, share, time, time.GetTimestamp());
            if (share == slots.prompt)
            {
                timer = time.CreateTimer(static slot => ((Slot)slot!).Overrun(), this, PromptWithin, TryAgainAfter);
            }
        }

        /// <summary>Whether it has taken longer than a prompt host does.</summary>
        public bool WasSlow => time.GetElapsedTime(enteredAt) >= PromptWithin;

        /// <inheritdoc/>
        public void Dispose()
        {
            timer?.Dispose();
            lock (slots.gate)
            {
                if (isGone)
                {
                    return;
                }

                isGone = true;
                if (isOverdue)
                {
                    slots.overdue--;
                }
                else
                {
                    share.GiveBack();
                }
            }
        }

        private void Overrun()
        {
            lock (slots.gate)
            {
                if (isGone || isOverdue || slots.overdue == Overdue)
                {
                    return;
                }

                (isOverdue, slots.overdue) = (true, slots.overdue + 1);
                share.GiveBack();
            }
        }
    }

    /// <summary>A number of slots and who waits for them. Used under the gate.</summary>
    internal sealed class Share(int size)
    {
        private readonly PriorityQueue<TaskCompletionSource, (Urgency Urgency, long Arrival)> waiting = new();
        private int free = size;
        private long arrivals;

        /// <summary>Null when a slot was free.</summary>
        public TaskCompletionSource? TakeOrWait(Urgency urgency)
        {
            if (free > 0)
            {
                free--;
                return null;
            }

            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting.Enqueue(turn, (urgency, arrivals++));
            return turn;
        }

        public void GiveBack()
        {
            while (waiting.TryDequeue(out var next, out _))
            {
                if (next.TrySetResult())
                {
                    return;
                }
            }

            free++;
        }
    }
}
