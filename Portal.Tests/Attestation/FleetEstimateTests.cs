using Microsoft.Extensions.Time.Testing;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;

namespace Portal.Tests.Attestation;

public sealed class FleetEstimateTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public void Left_OfPromptHosts_FollowsTheirPace()
    {
        var hosts = Hosts(100, isSlow: false);
        var estimate = new FleetEstimate(time, hosts);
        Assert.Null(estimate.Left());

        Ask(estimate, hosts.Take(25), TimeSpan.FromMilliseconds(400));

        Assert.Equal(TimeSpan.FromSeconds(30), estimate.Left());
    }

    [Fact]
    public void Left_OfSlowHosts_IsTheLongestTheyCanTake()
    {
        var (prompt, slow) = (Hosts(10, isSlow: false), Hosts(AskingSlots.Slow + 1, isSlow: true));
        var estimate = new FleetEstimate(time, [.. prompt, .. slow]);

        Ask(estimate, prompt, TimeSpan.FromMilliseconds(10));

        Assert.Equal(BuiltInVerifier.AnswerWithin * 2, estimate.Left());
        Ask(estimate, slow.Take(1), TimeSpan.Zero);
        Assert.Equal(BuiltInVerifier.AnswerWithin, estimate.Left());
    }

    [Fact]
    public void Left_WhenNobodyAnswersAnyMore_IsUntilTheyAreGivenUp()
    {
        var hosts = Hosts(100, isSlow: false);
        var estimate = new FleetEstimate(time, hosts);
        Ask(estimate, hosts.Take(98), TimeSpan.FromMilliseconds(10));

        time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal(BuiltInVerifier.AnswerWithin - TimeSpan.FromSeconds(5), estimate.Left());
    }

    private static List<Standing> Hosts(int count, bool isSlow) => [.. Enumerable.Range(0, count).Select(_ => new Standing(Guid.NewGuid(), null, null, isSlow, false))];

    private void Ask(FleetEstimate estimate, IEnumerable<Standing> hosts, TimeSpan each)
    {
        foreach (var host in hosts)
        {
            time.Advance(each);
            estimate.Asked(host.Id);
        }
    }
}
