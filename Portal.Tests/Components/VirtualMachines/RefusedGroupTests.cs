using Portal.Components.VirtualMachines;
using Portal.Core.Inventory;
using Portal.Core.Placement;

namespace Portal.Tests.Components.VirtualMachines;

public sealed class RefusedGroupTests
{
    [Fact]
    public void HostsWithTheSameSentence_ShareARow() =>
        Assert.Equal(["a, b: In maintenance."], Rows(Host("b", "state.maintenance", "In maintenance."), Host("a", "state.maintenance", "In maintenance.")));

    [Fact]
    public void FewHostsWithFiguresOfTheirOwn_EachHaveARow() =>
        Assert.Equal(["a: 1 free.", "b: 2 free."], Rows(Host("a", "memory.short", "1 free."), Host("b", "memory.short", "2 free.")));

    [Fact]
    public void ManyHostsWithFiguresOfTheirOwn_ShareARowThatUnfolds() =>
        Assert.Equal(["a, b, c, d: unfolds Not enough memory"], Rows([.. "abcd".Select((name, i) => Host(name.ToString(), "memory.short", $"{i} free."))]));

    [Fact]
    public void NearestToEligible_ComeFirst() =>
        Assert.Equal(
            ["b: Untrusted.", "a: Untrusted. In maintenance."],
            Rows(new RefusedHost(Guid.NewGuid(), "a", [new("trust.untrusted", "Untrusted."), new("state.maintenance", "In maintenance.")]), Host("b", "trust.untrusted", "Untrusted.")));

    private static RefusedHost Host(string name, string code, string sentence) => new(Guid.NewGuid(), name, [new(code, sentence)]);

    private static IEnumerable<string> Rows(params RefusedHost[] hosts) => RefusedGroup
        .Of(new PlacementDecision
        {
            Request = new PlacementRequest { ClusterId = Guid.NewGuid(), Cpus = 1, Memory = 1, TrustLevel = TrustLevel.Any, Purpose = PlacementPurpose.Preview },
            At = DateTimeOffset.UnixEpoch,
            Considered = hosts.Length,
            Eligible = [],
            EligibleCount = 0,
            Refused = hosts,
            Counts = [new("memory.short", "not enough memory", hosts.Length)],
        })
        .Select(g => $"{string.Join(", ", g.Hosts.Select(h => h.HostName))}: {g.OneSentence ?? "unfolds " + g.Words}");
}
