using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Portal.E2E.Peers.Rest;

/// <summary>What curl was answered.</summary>
/// <param name="Status">HTTP status of the last answer.</param>
/// <param name="Body">Its body.</param>
/// <param name="Conversation">What <c>curl -v</c> tells.</param>
internal sealed record CurlAnswer(int Status, string Body, string Conversation)
{
    public XElement Xml => XDocument.Parse(Body).Root!;

    public string Text(string element) => Xml.Element(element)?.Value ?? "";
}

/// <summary>The real curl.</summary>
internal static partial class Curl
{
    public static void RequireOrSkip()
    {
        if (!File.Exists("/usr/bin/curl"))
        {
            Assert.Skip("curl is not installed; Debian's package is 'curl'.");
        }
    }

    /// <summary>Runs <c>curl -v</c> with arguments as a person would type them, but one by one: no shell reads them.</summary>
    public static async Task<CurlAnswer> RunAsync(params IEnumerable<string> arguments)
    {
        var ct = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo("curl", ["-v", "--no-progress-meter", "--noproxy", "*", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var (body, conversation) = (process.StandardOutput.ReadToEndAsync(ct), process.StandardError.ReadToEndAsync(ct));
        await process.WaitForExitAsync(ct);
        var status = StatusLine().Matches(await conversation).LastOrDefault();
        Assert.True(process.ExitCode == 0 && status is not null, $"curl ended with {process.ExitCode}:\n{await conversation}");
        return new CurlAnswer(int.Parse(status.Groups["status"].Value, CultureInfo.InvariantCulture), await body, await conversation);
    }

    [GeneratedRegex(@"^< HTTP/[\d.]+ (?<status>\d{3})", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex StatusLine();
}
