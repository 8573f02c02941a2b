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
        var eligible = new List<EligibleHost>();
        var refused = new List<(HostCandidate Host, int Reasons)>();
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var host in hosts)
        {
            var reasons = 0;
            foreach (var filter in filters)
            {
                if (filter.Refuse(request, host, now) is { } code)
                {
                    reasons++;
                    counts[code] = counts.GetValueOrDefault(code) + 1;
                }
            }

            if (reasons == 0)
            {
                eligible.Add(new EligibleHost(host.Id, host.Name, Weigh(request, host, now)));
            }
            else
            {
                refused.Add((host, reasons));
            }
        }

        eligible.Sort(static (a, b) => b.Weight.CompareTo(a.Weight) is var order and not 0 ? order : string.CompareOrdinal(a.HostName, b.HostName));
        var keep = hosts.Count <= FullDetail ? hosts.Count : NearestKept;
        var told = refused.Count <= keep ? refused : [.. refused.OrderBy(r => r.Reasons).Take(keep)];
        return new PlacementDecision
        {
            Request = request,
            At = now,
            Considered = hosts.Count,
            EligibleCount = eligible.Count,
            Eligible = eligible.Count <= keep ? eligible : eligible.GetRange(0, keep),
            Refused = [.. told.Select(r => Explain(request, r.Host, now))],
            Counts = [.. counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key, StringComparer.Ordinal).Select(c => new ReasonCount(c.Key, Words(c.Key), c.Value))],
        };
    }

    /// <summary>A reason's code in words without figures.</summary>
    public string Words(string code) => filters.Select(f => f.Words(code)).FirstOrDefault(w => w is not null) ?? code;

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
}
