using Bunit;
using Portal.Components.Attestation;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

public sealed class ServiceWordsTests : ServicePageTest
{
    [Fact]
    public async Task SeveralServices_StandSideBySide_AndTheEvidenceOfOursIsShown()
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id);
        await BindAsync(id, "kvm-a01", "there-1");
        Script["there-1"] = Doing.Mismatching;
        await Pool.AttestAsync("kvm-a01");
        await PollAsync(id);

        var tab = await OpenAsync("kvm-a01");

        Assert.Equal(["Built-in verifier Trusted", "keylime-a Untrusted"], Texts(tab, ".service-word h3"));
        Assert.Contains("PCR 4 is not as it should be. Look at it.", Plain(tab.FindAll(".service-word")[1]), StringComparison.Ordinal);
        Assert.Contains("there-1", Plain(tab.FindAll(".service-word")[1]), StringComparison.Ordinal);
        Assert.NotEmpty(tab.FindAll("table.pcrs"));
    }

    [Fact]
    public async Task WithoutTheVerifierOfOurOwn_NothingIsSaidToBeMissing()
    {
        var id = await AddAsync();
        await Pool.AttestAsync("kvm-a01");
        await NameAsync(new ServiceSet(new ServiceChoice(id, PolicyKeeper.Server)));
        await BindAsync(id, "kvm-a01", "there-1");
        await VerifyAsync(id);

        var tab = await OpenAsync("kvm-a01");

        Assert.Equal("Its attestation service trusts this host, by policies of its own.", Plain(tab.Find("#verdict")));
        Assert.Contains("keylime-a verifies this host and keeps its evidence to itself. So there are no PCR values", Plain(tab.Find(".attest-grid")), StringComparison.Ordinal);
        Assert.Empty(tab.FindAll("table.pcrs, #runtime"));
        Assert.DoesNotContain("No evidence yet", tab.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("Enrol this host", tab.Markup, StringComparison.Ordinal);
        Assert.Contains("its attestation service, at that service's pace", Plain(tab.Find(".attest-grid")), StringComparison.Ordinal);
        Assert.Contains("Attest now", Texts(tab, ".verdict button"));
    }

    [Fact]
    public async Task AHostNobodyNamedThere_SaysSo_AndLeadsToTheService()
    {
        var id = await AddAsync();
        await NameAsync(new ServiceSet(new ServiceChoice(id, PolicyKeeper.Server)));
        await PollAsync(id);

        var tab = await OpenAsync("kvm-a01");

        Assert.Equal("Nobody can say: its attestation service does not verify this host yet.", Plain(tab.Find("#verdict")));
        Assert.Equal($"/settings/services/{id}?q=kvm-a01", tab.FindAll(".service-word a").Single(a => Plain(a) == "choose it").GetAttribute("href"));
    }

    [Fact]
    public async Task OnlyTheVerifierOfOurOwn_NeedsNoCardOfWords()
    {
        await Pool.AttestAsync("kvm-a01");

        Assert.Empty((await OpenAsync("kvm-a01")).FindAll(".service-word"));
    }

    private async Task<IRenderedComponent<AttestationTab>> OpenAsync(string host)
    {
        As(TrustedPool.Administrator);
        var row = await Pool.Get<HostDirectory>().FindByNameAsync(host, Pool.Ct);
        return Open<AttestationTab>($"/hosts/{host}/attestation", (nameof(AttestationTab.Row), row!));
    }
}
