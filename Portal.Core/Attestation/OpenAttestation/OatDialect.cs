using System.Text.Json;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>How an OpenAttestation server writes.</summary>
internal enum OatDialect
{
    /// <summary>1.5 to 1.7: mapped JSON, where a list of one is the element itself and an empty one is null, and everything else is text.</summary>
    First,

    /// <summary>2.0 to 2.3: plain JSON arrays; every fault is a 400.</summary>
    Second,
}

/// <summary>Finds out which dialect a server speaks by how it writes a list nobody is harmed by reading, and remembers it until a call fails.</summary>
/// <param name="wire">The way to the server.</param>
internal sealed class OatDialects(OatWire wire)
{
    private static readonly string[] Harmless = [OatPaths.Oem, OatPaths.Os, $"{OatPaths.Hosts}?searchCriteria="];

    private volatile Known? known;

    /// <summary>The dialect.</summary>
    /// <exception cref="ServerException">The server failed us, or it is no OpenAttestation server.</exception>
    public async Task<OatDialect> OfAsync(CancellationToken ct) => (await KnownAsync(ct)).Dialect;

    /// <summary>The dialect as it is found out now, whatever was known, with the answer that showed it.</summary>
    public async Task<(OatDialect Dialect, DateTimeOffset? Date)> AnewAsync(CancellationToken ct)
    {
        known = null;
        var found = await KnownAsync(ct);
        return (found.Dialect, found.Date);
    }

    /// <summary>The server may be another by now.</summary>
    public void Forget() => known = null;

    private async Task<Known> KnownAsync(CancellationToken ct)
    {
        if (known is { } found)
        {
            return found;
        }

        Known? empty = null;
        OatAnswer? refused = null;
        foreach (var path in Harmless)
        {
            var answer = await wire.SendAsync(HttpMethod.Get, path, null, ct);
            if (answer.Fault is not null)
            {
                refused = answer;
                continue;
            }

            switch (answer.Json.ValueKind)
            {
                case JsonValueKind.Array:
                    return known = new Known(OatDialect.Second, answer.Date);
                case JsonValueKind.Object when OatJson.IsWrapper(answer.Json):
                    return known = new Known(OatDialect.First, answer.Date);
                case JsonValueKind.Null:
                    // An empty list of the first dialect; the next may hold something and say so plainly.
                    empty ??= new Known(OatDialect.First, answer.Date);
                    break;
                default:
                    throw wire.Garbled("a list of neither dialect");
            }
        }

        if (empty is not null)
        {
            return known = empty;
        }

        // Only how a fault is said can be gone by: the second dialect says all of them with 400.
        throw wire.Explain(refused!.Fault!.Status == 400 ? OatDialect.Second : OatDialect.First, refused.Fault);
    }

    private sealed record Known(OatDialect Dialect, DateTimeOffset? Date);
}
