namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// Counts what is written to the audit about each TPM, so that one that registers all the time does not bury what people have to read.
/// Not for several threads at once.
/// </summary>
/// <param name="perHour">How often within an hour.</param>
/// <param name="most">How many TPMs are remembered; beyond that all are forgotten.</param>
/// <param name="time">Our clock.</param>
internal sealed class Tellings(int perHour, int most, TimeProvider time)
{
    private readonly Dictionary<string, (DateTimeOffset Since, int Count)> told = new(StringComparer.Ordinal);

    /// <summary>Whether to tell of it once more; counts it when so.</summary>
    public bool May(string endorsementHash)
    {
        var now = time.GetUtcNow();
        var (since, count) = told.TryGetValue(endorsementHash, out var known) && now - known.Since < TimeSpan.FromHours(1) ? known : (now, 0);
        if (count >= perHour)
        {
            return false;
        }

        if (told.Count >= most)
        {
            told.Clear();
        }

        told[endorsementHash] = (since, count + 1);
        return true;
    }
}
