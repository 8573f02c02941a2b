using Portal.Core.Attestation;

namespace Portal.Components.Attestation;

/// <summary>When evidence was verified last, anywhere; shared by every open page.</summary>
/// <param name="directory">Knows.</param>
/// <param name="time">Our clock.</param>
public sealed class LatestEvidence(AttestationDirectory directory, TimeProvider time)
{
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(2);

    private (DateTimeOffset At, Task<DateTimeOffset?> Answer)? last;

    /// <summary>The instant, not read longer than two seconds ago; null before the first.</summary>
    public Task<DateTimeOffset?> VerifiedAtAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        if (last is not { } kept || (now - kept.At).Duration() >= Kept || kept.Answer.IsFaulted)
        {
            last = kept = (now, directory.LastVerifiedAsync(CancellationToken.None));
        }

        return kept.Answer.WaitAsync(ct);
    }
}
