using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Portal.Extensions;

namespace Portal.Tests.Extensions;

/// <summary>A site's own assembly, this one, contributes without a change to the portal.</summary>
public sealed class ContributionTests
{
    [Fact]
    public async Task PageOfAnotherAssembly_IsReachable_OnlyWhenContributed_AndSignedIn()
    {
        await using var portal = new PortalServer(s => s.Contribute(new AdditionalPages(typeof(SamplePage).Assembly)));
        using var browser = await portal.SignInAsync("auditor@internal");
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/sample-of-a-site")).StatusCode);

        using var stranger = portal.Browser();
        using var answer = await stranger.GetAsync("/sample-of-a-site");
        Assert.Equal("/connect/sign-in", answer.RequestMessage!.RequestUri!.AbsolutePath);

        await using var plain = new PortalServer();
        using var other = await plain.SignInAsync("auditor@internal");
        Assert.Equal(HttpStatusCode.NotFound, (await other.GetAsync("/sample-of-a-site")).StatusCode);
    }

    [Fact]
    public async Task EndpointOfAFeature_DemandsASignedInPerson_WithoutSayingSo()
    {
        await using var portal = new PortalServer(s => s.Contribute(new AdditionalEndpoints(app => Microsoft.AspNetCore.Builder.EndpointRouteBuilderExtensions.MapGet(app, "/download", () => "evidence"))));
        using var stranger = portal.Browser(followRedirects: false);
        Assert.Equal(HttpStatusCode.Redirect, (await stranger.GetAsync("/download")).StatusCode);
        using var browser = await portal.SignInAsync("auditor@internal");
        Assert.Equal("evidence", await browser.GetStringAsync("/download"));
    }
}
