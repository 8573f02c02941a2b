using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Xml.Linq;

namespace Portal.Tests.Api;

/// <summary>Clients as they are: a curl line from 2012, and one that announces bodies it does not send.</summary>
[Collection(nameof(DemoApi))]
public sealed class OldClientTests(DemoApi portal)
{
    [Fact]
    public async Task CurlLineOf2012_AsItStands_CreatesTheVm()
    {
        if (!File.Exists("/usr/bin/curl"))
        {
            Assert.Skip("curl is not installed.");
        }

        var start = new ProcessStartInfo("/usr/bin/curl")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "-v", "-u", "admin@internal:demo", "-H", "Content-type: application/xml", "-d",
                $"<vm><name>my_new_vm</name><cluster id=\"{portal.Cluster}\"/><template id=\"00000000-0000-0000-0000-000000000000\"/><trust_level>trusted</trust_level></vm>",
                new Uri(portal.Address, "/rhevm-api/vms").ToString(),
            },
        };
        start.Environment["no_proxy"] = "*";
        using var curl = Process.Start(start)!;
        var (errors, output) = (curl.StandardError.ReadToEndAsync(DemoApi.Ct), await curl.StandardOutput.ReadToEndAsync(DemoApi.Ct));
        await curl.WaitForExitAsync(DemoApi.Ct);

        Assert.Contains("HTTP/1.1 201 Created", await errors, StringComparison.Ordinal);
        Assert.Equal("my_new_vm", XElement.Parse(output).Element("name")!.Value);
        Assert.NotNull(XElement.Parse(output).Element("host"));
    }

    [Theory]
    [InlineData("", "401")]
    [InlineData("Authorization: Basic YWRtaW5AaW50ZXJuYWw6ZGVtbw==\r\n", "200")]
    public async Task GetThatAnnouncesABody_IsAnsweredWithoutItAndTheConnectionIsNotUsedAgain(string credentials, string status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(portal.Address.Host, portal.Address.Port, DemoApi.Ct);
        await using var stream = client.GetStream();

        // The announced 17 bytes never come: waiting for them would wait for ever, and what came next would be eaten as them.
        var request = $"GET /ovirt-engine/api/vms HTTP/1.1\r\nHost: {portal.Address.Authority}\r\nContent-Type: application/xml\r\n{credentials}Content-Length: 17\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), DemoApi.Ct);
        var answer = await HeadersAsync(stream);

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains("Connection: close", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task GetWithABody_OfAnyContentType_IsAnswered()
    {
        var reply = await portal.SendAsync(HttpMethod.Get, "/ovirt-engine/api/vms", "<action></action>", "text/plain");
        Assert.Equal(System.Net.HttpStatusCode.OK, reply.Status);
        Assert.True(reply.Message.Headers.ConnectionClose);
    }

    [Fact]
    public async Task GetWithoutABody_KeepsTheConnection() =>
        Assert.NotEqual(true, (await portal.GetAsync("/ovirt-engine/api/vms")).Message.Headers.ConnectionClose);

    private static async Task<string> HeadersAsync(NetworkStream stream)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(DemoApi.Ct);
        deadline.CancelAfter(TimeSpan.FromSeconds(20));
        using var reader = new StreamReader(stream, leaveOpen: true);
        var headers = new StringBuilder();
        while (await reader.ReadLineAsync(deadline.Token) is { Length: > 0 } line)
        {
            headers.AppendLine(line);
        }

        return headers.ToString();
    }
}
