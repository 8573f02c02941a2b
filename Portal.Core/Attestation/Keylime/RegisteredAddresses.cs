using System.Collections.Concurrent;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Where agents are that wait for enrolment. A registrar tells it one by one, so it is remembered for a while, and of many only some are asked about
/// at a time: the others are listed without.
/// </summary>
/// <param name="ask">Asks the registrar for one; null when it does not know it, or it did not finish registering.</param>
/// <param name="time">Our clock.</param>
internal sealed class RegisteredAddresses(Func<string, CancellationToken, Task<KeylimeRegistration?>> ask, TimeProvider time)
{
    /// <summary>Most that are asked about at a time.</summary>
    public const int MostAsked = 64;

    private const int AtOnce = 4;
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, (DateTimeOffset At, string Address)> known = new(StringComparer.Ordinal);

    /// <summary>Addresses by id, empty where it is not known yet; without those that the registrar does not know any more.</summary>
    public async Task<IReadOnlyList<(string Id, string Address)>> OfAsync(IReadOnlyList<string> ids, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        foreach (var (id, _) in known.Where(k => k.Value.At > now || now - k.Value.At > Remembered))
        {
            known.TryRemove(id, out _);
        }

        var gone = new HashSet<string>(StringComparer.Ordinal);
        foreach (var few in ids.Where(id => !known.ContainsKey(id)).Take(MostAsked).Chunk(AtOnce))
        {
            foreach (var (id, registration) in few.Zip(await Task.WhenAll(few.Select(id => ask(id, ct)))))
            {
                if (registration is null)
                {
                    gone.Add(id);
                }
                else
                {
                    known[id] = (now, registration.Ip);
                }
            }
        }

        return [.. ids.Where(id => !gone.Contains(id)).Select(id => (id, known.TryGetValue(id, out var found) ? found.Address : ""))];
    }
}
