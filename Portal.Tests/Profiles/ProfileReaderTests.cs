using Microsoft.Extensions.Configuration;
using Portal.Profiles;

namespace Portal.Tests.Profiles;

public sealed class ProfileReaderTests
{
    private static readonly Dictionary<string, string?> Complete = new()
    {
        ["Portal:Profile"] = "Production",
        ["Portal:Identity:Authority"] = "https://sso.example.org/realms/infra",
        ["Portal:Identity:ClientId"] = "portal",
        ["urls"] = "https://0.0.0.0:8443",
        ["ConnectionStrings:Portal"] = "Data Source=/tmp/never-made/portal.db",
    };

    [Fact]
    public void NothingSet_IsDemoWithTwelveHostsInTwoClusters()
    {
        var profile = Read([]);

        Assert.Equal(ProfileKind.Demo, profile.Kind);
        Assert.Null(profile.Identity);
        Assert.Equal((12, 2), (profile.Simulation.Hosts, profile.Simulation.Clusters));
        Assert.EndsWith(Path.Combine("trusted-pools", "demo"), profile.DataFolder, StringComparison.Ordinal);
    }

    [Fact]
    public void Production_WithEverything_Starts()
    {
        var profile = Read(Complete);

        Assert.Equal(ProfileKind.Production, profile.Kind);
        Assert.Equal("portal", profile.Identity!.Audience);
        Assert.Equal("/tmp/never-made", profile.DataFolder);
        Assert.Equal("/tmp/never-made/portal.identity.db", profile.Beside("identity.db"));
    }

    [Theory]
    [InlineData("Portal:Identity:Authority", null, "Portal:Identity:Authority is missing")]
    [InlineData("Portal:Identity:Authority", "http://sso.example.org", "it must be an https address")]
    [InlineData("Portal:Identity:ClientId", " ", "Portal:Identity:ClientId is missing")]
    [InlineData("Portal:Identity:Roles:Emperor", "x", "is not a role of the portal; the roles are Administrator")]
    [InlineData("urls", null, "ASPNETCORE_URLS names no https address")]
    [InlineData("urls", "http://0.0.0.0:8080", "ASPNETCORE_URLS names no https address")]
    [InlineData("Portal:Simulation:Hosts", "12", "Production has no simulated hosts")]
    [InlineData("ConnectionStrings:Portal", "Data Source=:memory:", "must name a file")]
    [InlineData("ConnectionStrings:Portal", "Nonsense=1", "ConnectionStrings:Portal cannot be read")]
    [InlineData("Portal:DataProtection:CertificateFile", "/nowhere.pfx", "there is no such file")]
    public void Production_WithOneFault_SaysExactlyThat(string key, string? value, string sentence)
    {
        var refused = Assert.Throws<StartRefusedException>(() => Read(new(Complete) { [key] = value }));
        Assert.Contains(sentence, Assert.Single(refused.Sentences), StringComparison.Ordinal);
    }

    [Fact]
    public void Production_WithNothing_SaysOneSentencePerSetting()
    {
        var refused = Assert.Throws<StartRefusedException>(() => Read(new() { ["Portal:Profile"] = "production" }));
        Assert.Equal(3, refused.Sentences.Count);
        Assert.All(refused.Sentences, s => Assert.EndsWith(".", s, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://0.0.0.0:5080", false)]
    [InlineData("http://*:5080", false)]
    [InlineData("http://+:5080", false)]
    [InlineData("http://192.0.2.7:5080", false)]
    [InlineData("http://portal.example:5080", false)]
    [InlineData("http://localhost:5080;http://0.0.0.0:5081", false)]
    [InlineData("http://localhost:0", true)]
    [InlineData("http://127.0.0.1:7000;http://[::1]:7000", true)]
    public void Demo_ListensOnLoopbackOnly(string urls, bool starts)
    {
        var fault = Record.Exception(() => Read(new() { ["urls"] = urls }));
        Assert.Equal(starts, fault is null);
    }

    [Theory]
    [InlineData("Portal:Profile", "Staging", "it must be Demo or Production")]
    [InlineData("Portal:Simulation:Hosts", "-1", "it must be between 0 and 100000")]
    [InlineData("Portal:Simulation:Clusters", "0", "it must be between 1 and 1000")]
    [InlineData("Portal:Simulation:StepDelayMilliseconds", "5001", "it must be between 0 and 5000")]
    [InlineData("Portal:Simulation:Hosts", "many", "Portal:Simulation cannot be read")]
    [InlineData("Kestrel:Endpoints:Web:Url", "http://0.0.0.0:80", "listens on this machine only")]
    public void Demo_WithOneFault_SaysExactlyThat(string key, string value, string sentence)
    {
        var refused = Assert.Throws<StartRefusedException>(() => Read(new() { [key] = value }));
        Assert.Contains(sentence, Assert.Single(refused.Sentences), StringComparison.Ordinal);
    }

    private static PortalProfile Read(Dictionary<string, string?> settings) =>
        new ProfileReader(new ConfigurationBuilder().AddInMemoryCollection(settings).Build()).Read();
}
