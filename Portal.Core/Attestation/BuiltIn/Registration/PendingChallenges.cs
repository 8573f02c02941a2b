namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// Registrations whose TPM has not answered yet. They live in memory only: until a TPM proved its key, a registration changes nothing.
/// Each sender has room of its own, so that nobody can push out another's.
/// </summary>
/// <param name="time">Our clock.</param>
public sealed class PendingChallenges(TimeProvider time)
{
    /// <summary>How long a TPM may take to answer.</summary>
    public static readonly TimeSpan AnswerWithin = TimeSpan.FromMinutes(2);

    /// <summary>Most challenges open at one time, from all senders.</summary>
    public const int Most = 4096;

    /// <summary>Most challenges open at one time for one sender: hosts may share an address.</summary>
    public const int MostOfOneSender = 256;

    private readonly Lock turn = new();
    private readonly Dictionary<string, List<Pending>> bySender = new(StringComparer.Ordinal);
    private int count;

    /// <summary>Makes a challenge only the claimed TPM can answer, if it holds the claimed attestation key.</summary>
    /// <param name="registration">The registration; kept until it is answered or too old.</param>
    /// <param name="sender">Where it came from.</param>
    /// <returns>The challenge to send. Refusal: <c>registration.busy</c>.</returns>
    public Outcome<AgentChallenge> Make(AgentRegistration registration, string sender)
    {
        lock (turn)
        {
            Forget();
            if (count >= Most || bySender.GetValueOrDefault(sender)?.Count >= MostOfOneSender)
            {
                return new Refusal("registration.busy", RefusalKind.Unavailable, "Too many registrations wait for their TPM's answer.", "Try again in a few minutes.");
            }
        }

        var challenge = AgentChallenge.For(registration);
        lock (turn)
        {
            if (!bySender.TryGetValue(sender, out var mine))
            {
                bySender[sender] = mine = [];
            }

            mine.Add(new Pending(registration, challenge.Secret, time.GetUtcNow()));
            count++;
        }

        return challenge;
    }

    /// <summary>Takes the registration an answer belongs to; null when the answer is none of those expected. Each challenge is answered once.</summary>
    /// <param name="agentId">Whose.</param>
    /// <param name="sender">Where the answer came from.</param>
    /// <param name="activation">The answer.</param>
    public AgentRegistration? Take(string agentId, string sender, AgentActivation activation)
    {
        lock (turn)
        {
            Forget();
            if (bySender.GetValueOrDefault(sender) is not { } mine)
            {
                return null;
            }

            var found = mine.FindIndex(p => p.Registration.AgentId == agentId && AgentChallenge.IsOpened(p.Secret.Span, agentId, activation));
            if (found < 0)
            {
                return null;
            }

            var registration = mine[found].Registration;
            Remove(sender, mine, found, 1);
            return registration;
        }
    }

    private void Forget()
    {
        var tooOld = time.GetUtcNow() - AnswerWithin;
        foreach (var (sender, mine) in bySender.ToList())
        {
            // In the order they came.
            var old = mine.TakeWhile(p => p.At <= tooOld).Count();
            if (old > 0)
            {
                Remove(sender, mine, 0, old);
            }
        }
    }

    private void Remove(string sender, List<Pending> mine, int at, int number)
    {
        mine.RemoveRange(at, number);
        count -= number;
        if (mine.Count == 0)
        {
            bySender.Remove(sender);
        }
    }

    private sealed record Pending(AgentRegistration Registration, ReadOnlyMemory<byte> Secret, DateTimeOffset At);
}
