namespace Portal.E2E.Load;

/// <summary>The Hosts page over 11,100 hosts.</summary>
internal static class HostPages
{
    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        var fleet = await Fleet.SharedAsync(ct);
        await fleet.AttestAllAsync(ct);
        return await HostQueries.MeasureAsync(fleet, ct);
    }
}
