namespace Portal.E2E.Peers.Rest;

/// <summary>Scripts of 2012 and of today: what curl sends, and what it is answered.</summary>
public sealed class CurlTests(DemoPortal demo) : IClassFixture<DemoPortal>
{
    private const string Xml = "Content-type: application/xml";

    [Fact]
    public async Task Post_TheCallOf2012ThatAsksForTrust_CreatesTheVmOnATrustedHost()
    {
        var answer = await CurlAsync(
            "-u", "admin@internal:demo",
            "-H", Xml,
            "-d", "<vm><name>my_trusted_vm</name><cluster><name>prod-b</name></cluster><template><name>Blank</name></template><trust_level>trusted</trust_level></vm>",
            Url("/rhevm-api/vms"));

        Assert.Equal(201, answer.Status);
        Assert.Equal("vm", answer.Xml.Name.LocalName);
        Assert.Equal("my_trusted_vm", answer.Text("name"));
        Assert.Equal("trusted", answer.Text("trust_level"));
        Assert.Contains($"< Location: /rhevm-api/vms/{answer.Xml.Attribute("id")!.Value}", answer.Conversation, StringComparison.Ordinal);
        using var rest = demo.Rest("auditor@internal");
        var host = Assert.Single(await rest.HostsAsync(), h => h.Id.ToString() == answer.Xml.Element("host")!.Attribute("id")!.Value);
        Assert.Equal("trusted", host.Trust);
        Assert.StartsWith("kvm-b", host.Name, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/rhevm-api/vms")]
    [InlineData("/api/vms")]
    [InlineData("/ovirt-engine/api/vms")]
    [InlineData("/ovirt-engine/api/v4/vms")]
    public async Task Get_AtEveryPathClientsKnow_ListsVms(string path)
    {
        var answer = await CurlAsync("-u", "auditor@internal:demo", Url(path));

        Assert.Equal(200, answer.Status);
        Assert.Equal("vms", answer.Xml.Name.LocalName);
        Assert.Contains(answer.Xml.Elements("vm"), vm => vm.Element("name")?.Value == "billing-db-01");
        Assert.All(answer.Xml.Elements("vm"), vm => Assert.StartsWith(path, vm.Attribute("href")!.Value, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Get_WithoutCredentials_IsAnswered401AndHowToSendThem()
    {
        var answer = await CurlAsync(Url("/ovirt-engine/api/hosts"));

        Assert.Equal(401, answer.Status);
        Assert.Contains("< WWW-Authenticate: Basic realm=", answer.Conversation, StringComparison.Ordinal);
        Assert.Equal("access.unauthenticated", answer.Text("code"));
    }

    [Fact]
    public async Task Get_WithAWrongPassword_IsAnswered401() =>
        Assert.Equal(401, (await CurlAsync("-u", "nobody@internal:demo", Url("/ovirt-engine/api/hosts"))).Status);

    [Fact]
    public async Task Post_ByAnAuditor_IsAnswered403AndCreatesNothing()
    {
        var answer = await CurlAsync("-u", "auditor@internal:demo", "-H", Xml, "-d", Vm("of-the-auditor"), Url("/ovirt-engine/api/vms"));

        Assert.Equal(403, answer.Status);
        Assert.Equal("fault", answer.Xml.Name.LocalName);
        Assert.NotEmpty(answer.Text("detail"));
        await AssertNoVmAsync("of-the-auditor");
    }

    [Fact]
    public async Task Post_WithADocumentType_IsAnswered400AndReadsNoFile()
    {
        const string Hostile = """<!DOCTYPE vm [<!ENTITY file SYSTEM "file:///etc/hostname">]><vm><name>&file;</name><cluster><name>prod-a</name></cluster></vm>""";
        var answer = await CurlAsync("-u", "operator@internal:demo", "-H", Xml, "-d", Hostile, Url("/ovirt-engine/api/vms"));

        Assert.Equal(400, answer.Status);
        Assert.Equal("Request syntactically incorrect", answer.Text("reason"));
        Assert.StartsWith("body.", answer.Text("code"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_OfMoreThanAMebibyte_IsAnswered413()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, Vm("long", new string('x', (1 << 20) + 1)), TestContext.Current.CancellationToken);
            var answer = await CurlAsync("-u", "operator@internal:demo", "-H", Xml, "--data-binary", $"@{file}", Url("/ovirt-engine/api/vms"));

            Assert.Equal(413, answer.Status);
            Assert.Equal("body.too_long", answer.Text("code"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("-H", "Content-type: text/plain", 415, "body.content_type")]
    [InlineData("-H", "Version: 3", 400, "api.version")]
    [InlineData("-H", "Origin: https://elsewhere.example", 403, "api.cross_site")]
    public async Task Post_WithAHeaderThatIsNotTaken_SaysWhich(string flag, string header, int status, string code)
    {
        var type = header.StartsWith("Content-type", StringComparison.Ordinal) ? [] : new[] { "-H", Xml };
        var answer = await CurlAsync(["-u", "operator@internal:demo", .. type, flag, header, "-d", Vm("refused-by-header"), Url("/ovirt-engine/api/vms")]);

        Assert.Equal(status, answer.Status);
        Assert.Equal(code, answer.Text("code"));
        await AssertNoVmAsync("refused-by-header");
    }

    [Fact]
    public async Task Post_OfANameThatIsTaken_IsAnswered409()
    {
        var answer = await CurlAsync("-u", "operator@internal:demo", "-H", Xml, "-d", Vm("billing-db-01"), Url("/ovirt-engine/api/vms"));

        Assert.Equal(409, answer.Status);
        Assert.Contains("billing-db-01", answer.Text("detail"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_ThatLacksTheCluster_NamesTheField()
    {
        var answer = await CurlAsync("-u", "operator@internal:demo", "-H", Xml, "-d", "<vm><name>nowhere</name></vm>", Url("/ovirt-engine/api/vms"));

        Assert.Equal(400, answer.Status);
        Assert.Equal("cluster.id", answer.Text("field"));
    }

    private static string Vm(string name, string description = "") =>
        $"<vm><name>{name}</name><description>{description}</description><cluster><name>prod-a</name></cluster></vm>";

    private async Task AssertNoVmAsync(string name)
    {
        using var rest = demo.Rest("auditor@internal");
        Assert.DoesNotContain(await rest.VmsAsync(), v => v.Name == name);
    }

    private Task<CurlAnswer> CurlAsync(params IEnumerable<string> arguments)
    {
        Curl.RequireOrSkip();
        return Curl.RunAsync(arguments);
    }

    private string Url(string path) => new Uri(demo.Address, path).ToString();
}
