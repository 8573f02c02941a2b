using System.Net;
using System.Text.RegularExpressions;

namespace Portal.E2E.Browser;

/// <summary>What the published portal serves besides pages.</summary>
public sealed partial class StaticFilesTests(DemoPortal demo)
{
    [Fact]
    public async Task StylesAndScripts_OfThePublishedPortal_AreServedCompressed()
    {
        var ct = TestContext.Current.CancellationToken;
        using var client = new HttpClient { BaseAddress = demo.Address };
        var page = await client.GetStringAsync("/connect/sign-in", ct);
        var files = Files().Matches(page).Select(m => m.Groups["file"].Value).ToList();
        Assert.Contains(files, f => f.Contains("css/portal", StringComparison.Ordinal));
        Assert.Contains(files, f => f.Contains("MudBlazor.min.css", StringComparison.Ordinal));
        foreach (var file in files)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(demo.Address, file));
            request.Headers.AcceptEncoding.ParseAdd("br, gzip");
            using var answer = await client.SendAsync(request, ct);

            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.NotEmpty(answer.Content.Headers.ContentEncoding);
        }
    }

    [GeneratedRegex("(?:href|src)=\"(?<file>[^\"]+\\.(?:css|js)[^\"]*)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Files();
}
