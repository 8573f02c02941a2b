using Bunit;
using Portal.Components.AttestationServices;
using Portal.Core.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

public sealed class ServicePoliciesTests : ServicePageTest
{
    [Fact]
    public async Task Policies_AreListed_WithWhatCannotBeSeenOfThem()
    {
        Script.Kept.AddRange([new("runtime/kvm-base", KeptPolicyKind.Runtime, "kvm-base"), new("mb/gold", KeptPolicyKind.MeasuredBoot, "gold")]);
        var page = await PageAsync();

        page.WaitForAssertion(() => Assert.Equal(["kvm-base", "gold"], Texts(page, ".kept-policies tbody th code")));
        Assert.Contains("accept-all", page.Markup, StringComparison.Ordinal);
        Assert.All(Texts(page, ".kept-policies td[data-label='Written by']"), said => Assert.Equal("somebody else", said));
    }

    [Fact]
    public async Task WithoutAMeasuredBootPolicy_NothingIsWarnedOf()
    {
        Script.Kept.Add(new("runtime/kvm-base", KeptPolicyKind.Runtime, "kvm-base"));
        var page = await PageAsync();

        page.WaitForElement(".kept-policies");
        Assert.DoesNotContain("accept-all", page.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerThatDoesNotAnswer_IsSaid_AndAskedAgain()
    {
        Script.IsDown = true;
        var page = await PageAsync();
        page.WaitForElement("[data-code='service.failed']");

        Script.IsDown = false;
        await Button(page, "Ask for its policies again").ClickAsync();

        page.WaitForAssertion(() => Assert.Contains("keeps no policy by name", page.Markup, StringComparison.Ordinal));
    }

    private async Task<IRenderedComponent<ServicePolicies>> PageAsync()
    {
        var id = await AddAsync();
        As(TrustedPool.Administrator);
        var row = await Pool.Get<ServiceDirectory>().FindAsync(id, Pool.Ct);
        return Open<ServicePolicies>($"/settings/services/{id}", ("Row", row!));
    }
}
