using Portal.Components.Hosts;

namespace Portal.Tests.Components.Hosts;

public sealed class SearchTextTests
{
    [Theory]
    [InlineData("", "trust=untrusted")]
    [InlineData("name=kvm*", "name=kvm* trust=untrusted")]
    [InlineData("trust=stale name=kvm*", "name=kvm* trust=untrusted")]
    [InlineData("trust!=trusted", "trust=untrusted")]
    [InlineData("TRUST=Untrusted kvm", "kvm")]
    [InlineData("model=\"Dell Inc. R760\"", "model=\"Dell Inc. R760\" trust=untrusted")]
    public void Toggle_PutsATermIn_InPlaceOfItsField_OrTakesItOut(string search, string expected) =>
        Assert.Equal(expected, SearchText.Toggle(search, "trust", "untrusted"));

    [Theory]
    [InlineData("trust=", true)]
    [InlineData("trust!", true)]
    [InlineData("model=\"Dell", true)]
    [InlineData("trust=stale", false)]
    [InlineData("kvm", false)]
    public void IsUnfinished_WhileATermIsTyped(string search, bool unfinished) => Assert.Equal(unfinished, SearchText.IsUnfinished(search));

    [Fact]
    public void Href_KeepsSpacesAndQuotes() =>
        Assert.Equal("/hosts?q=model%3D%22Dell%20Inc.%22%20trust%3Dstale", SearchText.Href(SearchText.Of(("model", "Dell Inc."), ("trust", "stale"))));

    [Fact]
    public void View_SaysInItsAddressWhatDiffersFromTheDefault()
    {
        var view = HostsView.Of(null, null, null, null);

        Assert.Equal("/hosts", view.Href);
        Assert.Equal("/hosts?sort=memory&desc=true", view.SortedBy("memory", largestFirst: true).Href);
        Assert.Equal("/hosts?sort=memory", view.SortedBy("memory", largestFirst: true).SortedBy("memory", largestFirst: true).Href);
        Assert.Equal("/hosts?q=a&columns=name%2Ctrust", (view with { Search = "a", Columns = "name,trust" }).Href);
    }
}
