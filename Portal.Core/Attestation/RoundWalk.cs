using Microsoft.Extensions.Logging;

namespace Portal.Core.Attestation;

/// <summary>How a host stands before it is asked.</summary>
/// <param name="Id">The host.</param>
/// <param name="AskedAt">When it was asked last.</param>
/// <param name="SilentSince">Since when it does not answer.</param>
/// <param name="IsSlow">Whether it did not answer, or not promptly, last time.</param>
/// <param name="MachineWaits">Whether a VM that requires trust waits to start there.</param>
internal sealed record Standing(Guid Id, DateTimeOffset? AskedAt, DateTimeOffset? SilentSince, bool IsSlow, bool MachineWaits);

/// <summary>What a walk over hosts works with.</summary>
/// <param name="Desk">Attests one host.</param>
/// <param name="Policies">Policies of clusters.</param>
/// <param name="Slots">How many at the same time.</param>
/// <param name="Time">Our clock.</param>
/// <param name="Remember">Told of each host when it was asked, and whether it was slow.</param>
/// <param name="Log">For operators.</param>
internal sealed record WalkParts(AttestationDesk Desk, PolicyReader Policies, AskingSlots Slots, TimeProvider Time, Action<Guid, DateTimeOffset, bool> Remember, ILogger Log);

/// <summary>Asks hosts of one lane in their order, each as soon as there is a slot.</summary>
internal sealed partial class RoundWalk(WalkParts parts, Guid clusterId, IReadOnlyList<Standing> hosts, bool isSlow, AttestationPurpose purpose, Urgency urgency, Action<Guid>? asked)
{
    private const int PageSize = 512;
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromSeconds(5);

    private readonly List<Task> going = [];
    private Dictionary<Guid, AttestationDesk.Subject> read = [];
    private AppraisalPolicy? policy;
    private int readTo;
    private DateTimeOffset readAt;

    public async Task ToEndAsync(CancellationToken ct)
    {
        try
        {
            for (var i = 0; i < hosts.Count; i++)
            {
                var slot = await parts.Slots.EnterAsync(isSlow, hosts[i].MachineWaits ? Urgency.MachineWaits : urgency, ct);
                if (await SubjectAsync(i, slot, ct) is { } subject)
                {
                    going.Add(Task.Run(() => AskAsync(subject, policy!, slot, ct), CancellationToken.None));
                }
                else
                {
                    slot.Dispose();
                }
            }
        }
        finally
        {
            await Task.WhenAll(going);
        }
    }

    /// <summary>Read page by page, and again when a slot was long in coming; null when the host left the cluster.</summary>
    private async Task<AttestationDesk.Subject?> SubjectAsync(int i, AskingSlots.Slot slot, CancellationToken ct)
    {
        try
        {
            var now = parts.Time.GetUtcNow();
            if (i >= readTo || now - readAt > ReadAgainAfter)
            {
                (readAt, readTo) = (now, Math.Min(hosts.Count, i + (isSlow ? 1 : PageSize)));
                policy = await parts.Policies.OfAsync(clusterId, ct);
                read = (await parts.Desk.SubjectsAsync(clusterId, [.. hosts.Skip(i).Take(readTo - i).Select(h => h.Id)], ct)).ToDictionary(s => s.Host.Id);
            }

            return policy is null ? null : read.GetValueOrDefault(hosts[i].Id);
        }
        catch
        {
            slot.Dispose();
            throw;
        }
    }

    /// <summary>One host's trouble is its own: the others go on.</summary>
    private async Task AskAsync(AttestationDesk.Subject subject, AppraisalPolicy under, AskingSlots.Slot slot, CancellationToken ct)
    {
        var askedAt = parts.Time.GetUtcNow();
        try
        {
            await parts.Desk.AttestAsync(subject, under, purpose, null, ct);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            HostLeftOut(parts.Log, subject.Host.Id, fault);
        }
        catch (OperationCanceledException)
        {
            // Nobody waits for the others any more.
        }
        finally
        {
            parts.Remember(subject.Host.Id, askedAt, slot.WasSlow);
            asked?.Invoke(subject.Host.Id);
            slot.Dispose();
        }
    }

    [LoggerMessage(402, LogLevel.Error, "Host {Host} could not be attested; its next turn tries again")]
    private static partial void HostLeftOut(ILogger log, Guid host, Exception fault);
}
