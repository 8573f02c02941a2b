using Portal.Core.Attestation;

namespace Portal.Tests.Attestation;

public sealed class CadenceTests
{
    private static readonly DateTimeOffset Noon = new(2026, 10, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void Offsets_OfACluster_AreSpreadEvenlyOverTheInterval()
    {
        // Ids made one after the other, as a bulk enrolment makes them.
        var bySecond = Enumerable.Range(0, 6_000).Select(i => Guid.CreateVersion7(Noon.AddTicks(i))).GroupBy(id => (int)Cadence.OffsetOf(id, Minute).TotalSeconds).ToDictionary(g => g.Key, g => g.Count());

        Assert.Equal(Enumerable.Range(0, 60), bySecond.Keys.Order());
        Assert.All(bySecond.Values, hosts => Assert.InRange(hosts, 50, 150));
    }

    [Fact]
    public void LastTurn_StaysWhereItIs_WhateverTheMomentItIsAskedAt()
    {
        var host = new Guid("018f2b6e-6c7a-7d3e-9b1c-2f4a5d6e7f80");
        var turn = Cadence.LastTurn(host, Minute, Noon);

        Assert.InRange(turn, Noon - Minute, Noon);
        Assert.Equal(turn, Cadence.LastTurn(host, Minute, turn));
        Assert.Equal(turn, Cadence.LastTurn(host, Minute, turn + Minute - TimeSpan.FromTicks(1)));
        Assert.Equal(turn + Minute, Cadence.LastTurn(host, Minute, turn + Minute));
    }

    [Fact]
    public void IsDue_OncePerInterval_AndAtOnceWhenNeverAskedOrTheClockWentBack()
    {
        var host = Guid.CreateVersion7();
        var turn = Cadence.LastTurn(host, Minute, Noon);

        Assert.True(Cadence.IsDue(host, Minute, null, null, turn));
        Assert.True(Cadence.IsDue(host, Minute, turn - TimeSpan.FromTicks(1), null, turn));
        Assert.False(Cadence.IsDue(host, Minute, turn, null, turn + TimeSpan.FromSeconds(59)));
        Assert.True(Cadence.IsDue(host, Minute, turn, null, turn + Minute));
        Assert.True(Cadence.IsDue(host, Minute, turn + TimeSpan.FromHours(1), null, turn));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(600)]
    public void SilentHost_IsAskedLessAndLess_ButNeverLeftAloneForLong(int seconds)
    {
        var (host, interval) = (Guid.CreateVersion7(), TimeSpan.FromSeconds(seconds));
        var silentSince = Cadence.LastTurn(host, interval, Noon);
        var asked = new List<DateTimeOffset> { silentSince };
        for (var now = silentSince; now < silentSince + (interval * 200); now += Cadence.SliceOf(interval))
        {
            if (Cadence.IsDue(host, interval, asked[^1], silentSince, now))
            {
                asked.Add(now);
            }
        }

        var pauses = asked.Zip(asked.Skip(1), (before, after) => after - before).ToList();
        var longest = Cadence.LongestPause > interval ? Cadence.LongestPause : interval;
        Assert.InRange(pauses[0], interval - Cadence.SliceOf(interval), interval + Cadence.SliceOf(interval));
        Assert.All(pauses, pause => Assert.InRange(pause, interval - Cadence.SliceOf(interval), longest + interval));
        Assert.InRange(pauses[^1], longest - interval, longest + interval);
        Assert.True(interval >= Cadence.LongestPause || asked.Count < 150);
    }
}
