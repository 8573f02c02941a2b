using System.Runtime.InteropServices;

namespace Portal.Core.Placement;

/// <summary>Filters, then weighers: answers where a VM could run and why not elsewhere. Claims nothing.</summary>
/// <param name="fleet">The hosts.</param>
/// <param name="filters">Contributed filters.</param>
/// <param name="weighers">Contributed weighers.</param>
/// <param name="time">Our clock.</param>
public sealed class Placer(FleetView fleet, IEnumerable<IHostFilter> filters, IEnumerable<IHostWeigher> weighers, TimeProvider time)
{
    /// <summary>Up to this many hosts a decision keeps every host's reasons.</summary>
    public const int FullDetail = 500;

    /// <summary>Beyond that, it keeps this many of each sort.</summary>
    public const int NearestKept = 100;

    private readonly IHostFilter[] filters = [.. filters.OrderBy(f => f.Order)];
    private readonly IHostWeigher[] weighers = [.. weighers];

    /// <summary>Looks at every host of the cluster.</summary>
    public async ValueTask<PlacementDecision> DecideAsync(PlacementRequest request, CancellationToken ct)
    {
        var hosts = await fleet.OfAsync(request.ClusterId, ct);
        return Decide(request, hosts, time.GetUtcNow());
    }

    /// <summary>The decision over given hosts: pure.</summary>
    public PlacementDecision Decide(PlacementRequest request, IReadOnlyList<HostCandidate> hosts, DateTimeOffset now)
    {
        var all = hosts.Count <= FullDetail;
        var keep = all ? hosts.Count : NearestKept;
        var (eligible, refused) = (new Nearest(keep), new Nearest(keep));
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var host in hosts)
        {
            var reasons = CountReasons(request, host, now, counts);
            if (reasons == 0)
            {
                eligible.Offer(host, -Weigh(request, host, now));
            }
            else
            {
                // Where all are told, they are told by name.
                refused.Offer(host, all ? 0 : reasons);
            }
        }

        return new PlacementDecision
        {
            Request = request,
            At = now,
            Considered = hosts.Count,
            EligibleCount = eligible.Offered,
            Eligible = [.. eligible.InOrder().Select(e => new EligibleHost(e.Host.Id, e.Host.Name, -e.Rank))],
            Refused = [.. refused.InOrder().Select(r => Explain(request, r.Host, now))],
            Counts = [.. counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key, StringComparer.Ordinal).Select(c => new ReasonCount(c.Key, Words(c.Key), c.Value))],
        };
    }

    /// <summary>A reason's code in words without figures.</summary>
    public string Words(string code) => filters.Select(f => f.Words(code)).FirstOrDefault(w => w is not null) ?? code;

    private int CountReasons(PlacementRequest request, HostCandidate host, DateTimeOffset now, Dictionary<string, int> counts)
    {
        var reasons = 0;
        foreach (var filter in filters)
        {
            if (filter.Refuse(request, host, now) is { } code)
            {
                reasons++;
                CollectionsMarshal.GetValueRefOrAddDefault(counts, code, out _)++;
            }
        }

        return reasons;
    }

    private double Weigh(PlacementRequest request, HostCandidate host, DateTimeOffset now)
    {
        var sum = 0.0;
        foreach (var weigher in weighers)
        {
            sum += weigher.Weigh(request, host, now);
        }

        return sum;
    }

    private RefusedHost Explain(PlacementRequest request, HostCandidate host, DateTimeOffset now)
    {
        var reasons = new List<HostReason>();
        foreach (var filter in filters)
        {
            if (filter.Refuse(request, host, now) is { } code)
            {
                reasons.Add(new HostReason(code, filter.Explain(code, request, host, now)));
            }
        }

        return new RefusedHost(host.Id, host.Name, reasons);
    }

    /// <summary>The nearest of many hosts by rank, then by name: a decision on thousands of hosts neither sorts them all nor holds a record of each.</summary>
    /// <param name="most">How many to keep.</param>
    private sealed class Nearest(int most)
    {
        private static readonly Comparer<(double Rank, string Name)> Order = Comparer<(double Rank, string Name)>.Create(
            static (a, b) => a.Rank.CompareTo(b.Rank) is var order and not 0 ? order : string.CompareOrdinal(a.Name, b.Name));

        // The furthest of those kept is at its head, ready to give way.
        private readonly PriorityQueue<HostCandidate, (double Rank, string Name)> kept = new(Comparer<(double Rank, string Name)>.Create(static (a, b) => Order.Compare(b, a)));

        public int Offered { get; private set; }

        public void Offer(HostCandidate host, double rank)
        {
            if (Offered++ < most)
            {
                kept.Enqueue(host, (rank, host.Name));
            }
            else
            {
                kept.EnqueueDequeue(host, (rank, host.Name));
            }
        }

        public IEnumerable<(HostCandidate Host, double Rank)> InOrder() =>
            kept.UnorderedItems.OrderBy(k => k.Priority, Order).Select(k => (k.Element, k.Priority.Rank));
    }
}
