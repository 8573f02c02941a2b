using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>
/// Asks why a host is untrusted. With a 2.x server the answer is for people: without one the host is untrusted all the same; each host is waited for a
/// little, and only some are asked about at a time; what was learnt of the others before is repeated. A 1.x server calls a host untrusted once after any
/// change, also an approved one, because its report is another than before: only what it says when it is asked once more is what its white list says.
/// So all of them are asked about once more, as patiently as at first, and one that is not answered for is untrusted only when it is called so again.
/// </summary>
/// <param name="wire">The way to the server.</param>
/// <param name="dialects">Which dialect it speaks.</param>
/// <param name="poll">Asks about hosts.</param>
/// <param name="time">Our clock.</param>
internal sealed partial class OatReasons(OatWire wire, OatDialects dialects, OatPoll poll, TimeProvider time)
{
    private const int AtOnce = 4;
    private const int MostPerPoll = 16;
    private const int MostRemembered = 20_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, (DateTimeOffset At, IReadOnlyList<Finding> Findings)> known = new(StringComparer.OrdinalIgnoreCase);

    // Hosts of a 1.x server that it called untrusted since it last trusted them: a second time counts.
    private readonly ConcurrentDictionary<string, bool> doubted = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Statements on untrusted hosts. Not by several threads at once.</summary>
    public async Task<IReadOnlyList<HostStatement>> OfAsync(IReadOnlyList<(BoundHost Host, OatWord Word)> untrusted, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        foreach (var gone in known.Count > MostRemembered ? known.OrderBy(k => k.Value.At).Take(known.Count - MostRemembered).Select(k => k.Key).ToList() : [])
        {
            known.Remove(gone);
        }

        if (untrusted.Count == 0)
        {
            return [];
        }

        return await dialects.OfAsync(ct) == OatDialect.First ? await OnceMoreAsync(untrusted, now, ct) : await WithReasonsAsync(untrusted, now, ct);
    }

    /// <summary>A host that is trusted: what was held against it is forgotten.</summary>
    public void Trusted(string name) => doubted.TryRemove(name, out _);

    private async Task<IReadOnlyList<HostStatement>> WithReasonsAsync(IReadOnlyList<(BoundHost Host, OatWord Word)> untrusted, DateTimeOffset now, CancellationToken ct)
    {
        var next = untrusted.OrderBy(u => known.TryGetValue(u.Host.Name, out var last) ? last.At : DateTimeOffset.MinValue).Take(MostPerPoll).ToList();
        foreach (var few in next.Chunk(AtOnce))
        {
            foreach (var (asked, findings) in few.Zip(await Task.WhenAll(few.Select(u => WithinPatienceAsync(u.Host, ct)))))
            {
                if (findings is not null)
                {
                    known[asked.Host.Name] = (now, findings);
                }
            }
        }

        return [.. untrusted.Select(u => new HostStatement.Untrusted(u.Host.HostId, known.TryGetValue(u.Host.Name, out var learnt) ? learnt.Findings : [OatWords.Untrusted()]))];
    }

    private async Task<IReadOnlyList<Finding>?> WithinPatienceAsync(BoundHost host, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            return await SecondAsync(host, either.Token);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested && fault is ServerException or OperationCanceledException)
        {
            return null;
        }
    }

    private async Task<IReadOnlyList<HostStatement>> OnceMoreAsync(IReadOnlyList<(BoundHost Host, OatWord Word)> untrusted, DateTimeOffset now, CancellationToken ct)
    {
        var statements = new List<HostStatement>(untrusted.Count);
        var answers = true;
        foreach (var few in untrusted.Chunk(OatPoll.BatchSize).Chunk(AtOnce))
        {
            // One that answers none of several questions at the same time is not asked any further.
            var found = answers ? await Task.WhenAll(few.Select(batch => AgainAsync([.. batch.Select(u => u.Host.Name)], ct))) : new (DateTimeOffset Asked, IReadOnlyDictionary<string, OatWord>? Words)[few.Length];
            answers = Array.Exists(found, f => f.Words is not null);
            foreach (var (batch, answer) in few.Zip(found))
            {
                statements.AddRange(batch.Select(u => Meaning(u.Host, answer.Words?.GetValueOrDefault(u.Host.Name), answer.Asked, now)));
            }
        }

        return statements;
    }

    private async Task<(DateTimeOffset Asked, IReadOnlyDictionary<string, OatWord>? Words)> AgainAsync(IReadOnlyList<string> names, CancellationToken ct)
    {
        try
        {
            var (asked, _, words) = await poll.AskAsync(names, withChecks: true, ct);
            return (asked, words);
        }
        catch (ServerException)
        {
            return (default, null);
        }
    }

    /// <summary>What the second word on a host means; null where none was to be had.</summary>
    private HostStatement Meaning(BoundHost host, OatWord? word, DateTimeOffset asked, DateTimeOffset now)
    {
        if (word?.Level == "trusted")
        {
            Trusted(host.Name);
            return OatPoll.Meaning(host, word, asked)!;
        }

        var wasDoubted = !doubted.TryAdd(host.Name, true);
        if (word?.Level == "untrusted")
        {
            var findings = Findings(word.Details);
            known[host.Name] = (now, findings);
            return new HostStatement.Untrusted(host.HostId, findings);
        }

        return wasDoubted
            ? new HostStatement.Untrusted(host.HostId, known.TryGetValue(host.Name, out var learnt) ? learnt.Findings : [OatWords.Untrusted()])
            : OatWords.Doubted(host.HostId);
    }

    private static IReadOnlyList<Finding> Findings(IReadOnlyList<OatDetail> details)
    {
        var found = new List<Finding>();
        foreach (var detail in details.Where(d => d.Passed == false))
        {
            if (detail.Name == "COMPARE_REPORT")
            {
                found.Add(OatWords.Report());
                continue;
            }

            found.AddRange(Numbers().Matches(detail.Output).Select(m => OatJson.PcrOf(m.Groups["pcr"].Value)).OfType<int>().Distinct().Select(pcr => OatWords.Pcr(pcr, null, null)));
        }

        return found.Count == 0 ? [OatWords.Untrusted()] : found;
    }

    private async Task<IReadOnlyList<Finding>> SecondAsync(BoundHost host, CancellationToken ct)
    {
        var report = OatPaths.With(OatPaths.Report, ("hostName", host.Name), ("failure_only", "true"));
        var pcrs = await wire.ReadAsync(OatDialect.Second, HttpMethod.Get, report, null, Differing, ct);
        return pcrs.Count > 0 ? pcrs : await PartsAsync(host, ct);
    }

    private static IReadOnlyList<Finding> Differing(JsonElement answer) =>
        [.. OatJson.List(answer, "PcrLogReport")
            .Where(row => OatJson.Text(row, "TrustStatus") is not "1" and not "true")
            .Select(row => (Pcr: OatJson.Pcr(row, "Name"), Measured: OatJson.Digest(OatJson.Text(row, "Value")), Expected: OatJson.Digest(OatJson.Text(row, "WhitelistValue"))))
            .Where(row => row.Pcr is not null)
            .OrderBy(row => row.Pcr)
            .Select((row, i) => OatWords.Pcr(row.Pcr!.Value, row.Measured, row.Expected) with { Follows = i > 0 })];

    private async Task<IReadOnlyList<Finding>> PartsAsync(BoundHost host, CancellationToken ct)
    {
        var trust = await wire.ReadAsync(
            OatDialect.Second,
            HttpMethod.Get,
            OatPaths.With(OatPaths.HostTrust, ("hostName", host.Name)),
            null,
            answer => OatJson.Member(answer, "trust") is { } parts ? (Bios: OatJson.Truth(parts, "bios"), Vmm: OatJson.Truth(parts, "vmm")) : (null, null),
            ct);
        List<Finding> found = [];
        if (trust.Bios == false)
        {
            found.Add(OatWords.Part(BaselineKinds.Firmware));
        }

        if (trust.Vmm == false)
        {
            found.Add(OatWords.Part(BaselineKinds.Hypervisor));
        }

        return found.Count == 0 ? [OatWords.Untrusted()] : found;
    }

    [GeneratedRegex(@"PCR ?#? ?(?<pcr>[0-9]{1,2})", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 200)]
    private static partial Regex Numbers();
}
