using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>
/// Asks why a host is untrusted. The answer is for people: without one the host is untrusted all the same. Each host is waited for a little, and
/// only some are asked about at a time; what was learnt of the others before is repeated.
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

    /// <summary>Statements on untrusted hosts. Not by several threads at once.</summary>
    public async Task<IReadOnlyList<HostStatement>> OfAsync(IReadOnlyList<(BoundHost Host, OatWord Word)> untrusted, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        foreach (var gone in known.Count > MostRemembered ? known.OrderBy(k => k.Value.At).Take(known.Count - MostRemembered).Select(k => k.Key).ToList() : [])
        {
            known.Remove(gone);
        }

        var next = untrusted.OrderBy(u => known.TryGetValue(u.Host.Name, out var last) ? last.At : DateTimeOffset.MinValue).Take(MostPerPoll).ToList();
        var better = new Dictionary<Guid, HostStatement>();
        foreach (var few in next.Chunk(AtOnce))
        {
            var found = await Task.WhenAll(few.Select(u => WithinPatienceAsync(u.Host, u.Word, ct)));
            foreach (var (asked, answer) in few.Zip(found))
            {
                if (answer is HostStatement.Trusted)
                {
                    better[asked.Host.HostId] = answer;
                }
                else if (answer is HostStatement.Untrusted no)
                {
                    known[asked.Host.Name] = (now, no.Findings);
                }
            }
        }

        return [.. untrusted.Select(u => better.GetValueOrDefault(u.Host.HostId)
            ?? new HostStatement.Untrusted(u.Host.HostId, known.TryGetValue(u.Host.Name, out var learnt) ? learnt.Findings : [OatWords.Untrusted()]))];
    }

    private async Task<HostStatement?> WithinPatienceAsync(BoundHost host, OatWord word, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            return await dialects.OfAsync(either.Token) == OatDialect.Second ? await SecondAsync(host, either.Token) : await FirstAsync(host, word, either.Token);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested && fault is ServerException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>
    /// A 1.x server calls a host untrusted once after any change, also an approved one, because its report is another than before. Asked once
    /// more it compares with the new one: what it says then is what the white list says.
    /// </summary>
    private async Task<HostStatement?> FirstAsync(BoundHost host, OatWord word, CancellationToken ct)
    {
        var (asked, _, words) = await poll.AskAsync([host.Name], withChecks: true, ct);
        var again = words.GetValueOrDefault(host.Name) ?? word;
        return OatPoll.Meaning(host, again, asked) as HostStatement.Trusted ?? (HostStatement)new HostStatement.Untrusted(host.HostId, Findings(again.Details));
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

    private async Task<HostStatement?> SecondAsync(BoundHost host, CancellationToken ct)
    {
        var report = OatPaths.With(OatPaths.Report, ("hostName", host.Name), ("failure_only", "true"));
        var pcrs = await wire.ReadAsync(OatDialect.Second, HttpMethod.Get, report, null, Differing, ct);
        return new HostStatement.Untrusted(host.HostId, pcrs.Count > 0 ? pcrs : await PartsAsync(host, ct));
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
