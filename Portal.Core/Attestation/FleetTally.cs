using System.Collections.Frozen;
using Portal.Core.Attestation.BuiltIn;

namespace Portal.Core.Attestation;

/// <summary>How far a request to attest many hosts is, in numbers and words.</summary>
/// <param name="Hosts">Hosts in the scope.</param>
/// <param name="Asked">Those asked since the request, by what came of it.</param>
internal sealed record FleetTally(int Hosts, IReadOnlyDictionary<CheckOutcome, int> Asked)
{
    private int Done => Math.Min(Hosts, Asked.Values.Sum());

    private int Silent => Of(CheckOutcome.AgentUnreachable) + Of(CheckOutcome.ServiceUnreachable);

    /// <summary>0 to 100, and 100 only when nothing is left.</summary>
    public int Percent => Hosts == 0 ? 100 : (int)(Done * 100L / Hosts);

    /// <summary>While it goes on.</summary>
    /// <param name="left">How long it will take still, if that can be told.</param>
    public string Words(TimeSpan? left) => $"{Number(Done)} of {Number(Hosts)} asked{Troubles()}{(left is { } time && Done < Hosts ? $"; about {Time(time)} left" : "")}.";

    /// <summary>When it was cancelled.</summary>
    public string StoppedWords() => $"Stopped on request: {Number(Done)} of {Number(Hosts)} had been asked{Troubles()}; what they answered stays.";

    /// <summary>When it is over.</summary>
    public string EndWords() => $"{Number(Done)} of {Number(Hosts)} asked{Troubles()}{(Done < Hosts ? $"; of {Number(Hosts - Done)} nothing could be recorded, they are asked again in their turn" : "")}.";

    private int Of(CheckOutcome outcome) => Asked.GetValueOrDefault(outcome);

    private string Troubles() =>
        Part(Silent, "did not answer") + Part(Of(CheckOutcome.ProtocolError), "answered something that fails a check") + Part(Of(CheckOutcome.TpmError), "reported a TPM error") + Part(Of(CheckOutcome.NotConfigured), "not enrolled");

    private static string Part(int hosts, string words) => hosts == 0 ? "" : $", {Number(hosts)} {words}";

    private static string Number(int number) => FormattableString.Invariant($"{number:N0}");

    private static string Time(TimeSpan time) => time.TotalSeconds < 90 ? $"{Math.Max(1, (int)Math.Ceiling(time.TotalSeconds))} s" : $"{(int)Math.Ceiling(time.TotalMinutes)} min";
}

/// <summary>
/// How long hosts that are being asked will take still. Those that answer promptly by their pace so far; those that did not answer last
/// time by the longest they can take.
/// </summary>
internal sealed class FleetEstimate
{
    private readonly TimeProvider time;
    private readonly FrozenSet<Guid> slow;
    private readonly int prompt;
    private readonly long began;
    private int promptAsked;
    private int slowAsked;
    private long lastAnswer;

    public FleetEstimate(TimeProvider time, IEnumerable<Standing> hosts)
    {
        var all = hosts.ToList();
        (this.time, began) = (time, time.GetTimestamp());
        slow = all.Where(h => h.IsSlow).Select(h => h.Id).ToFrozenSet();
        (prompt, lastAnswer) = (all.Count - slow.Count, began);
    }

    /// <summary>A host was asked.</summary>
    public void Asked(Guid host)
    {
        Interlocked.Increment(ref slow.Contains(host) ? ref slowAsked : ref promptAsked);
        Interlocked.Exchange(ref lastAnswer, time.GetTimestamp());
    }

    /// <summary>How long still; null before anything can be told.</summary>
    public TimeSpan? Left()
    {
        var (promptLeft, slowLeft) = (prompt - Volatile.Read(ref promptAsked), slow.Count - Volatile.Read(ref slowAsked));
        var quiet = time.GetElapsedTime(Interlocked.Read(ref lastAnswer));
        var slowest = TimeSpan.FromTicks(Math.Max(0, ((slowLeft + AskingSlots.Slow - 1L) / AskingSlots.Slow * BuiltInVerifier.AnswerWithin.Ticks) - quiet.Ticks));
        if (promptLeft == 0)
        {
            return slowest;
        }

        // Nobody answers: those that are left hang, and are waited for to the end.
        if (quiet >= AskingSlots.PromptWithin)
        {
            var hanging = TimeSpan.FromTicks(Math.Max(0, (BuiltInVerifier.AnswerWithin - quiet).Ticks));
            return hanging > slowest ? hanging : slowest;
        }

        if (promptAsked == 0)
        {
            return null;
        }

        var byPace = time.GetElapsedTime(began) * ((double)promptLeft / promptAsked);
        return byPace > slowest ? byPace : slowest;
    }
}
