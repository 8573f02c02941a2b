using System.Diagnostics;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Tests.Attestation.Bootstrap;

public sealed class HostScriptTests
{
    private const string Authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    private static readonly RegistrarFace Face = new("10.1.0.5", 8890, 8891, Enabled: true);

    public static TheoryData<string> Hostile =>
    [
        "", "'", "''", "a'b", "'; touch /tmp/owned; '", "$(touch x)", "`id`", "${HOME}", "\\", "\\'", "a\nb", "\n", "!x", "*", "~", "#", "%AUTHORITY%", "a b  c", "é\u202e", "-n", "\"", "\t\r",
    ];

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task Quoted_AShellReadsItAsOneWordUnchanged(string text)
    {
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-s");
        using var shell = Process.Start(start)!;
        await shell.StandardInput.WriteAsync($"x={HostScript.Quote(text)}\nprintf '%s.' \"$x\"\n");
        shell.StandardInput.Close();

        Assert.Equal(text + ".", await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Quoted_ANulIsRefused() => Assert.Throws<ArgumentException>(() => HostScript.Quote("a\0b"));

    [Theory]
    [InlineData("10.1.0.7", true)]
    [InlineData("kvm-01.example.org", true)]
    [InlineData("fd00::7", true)]
    [InlineData("", false)]
    [InlineData("-oProxyCommand=x", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("a\"b", false)]
    [InlineData("a;b", false)]
    [InlineData("fe80::1%eth0", false)]
    [InlineData("[::1]", false)]
    [InlineData("host:22", false)]
    [InlineData("кот", false)]
    public void Address_IsWhatNothingReadsOtherwise(string text, bool isAddress) => Assert.Equal(isAddress, HostScript.IsAddress(text));

    [Fact]
    public void Script_HoldsThePortalsValues_AndNoPlaceIsLeft()
    {
        var script = HostScript.Make(Face, Authority, new("kvm-01.example.org", "kvm-01")).Value;

        Assert.Contains("\nregistrar='10.1.0.5'\nhttp_port='8890'\nhttps_port='8891'\ncontact='kvm-01.example.org'\nagent_port='9002'\nagent_id='kvm-01'\nauthority='-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'\n", script.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("=%", script.Text, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', script.Text);
        Assert.StartsWith("#!/bin/sh\n", script.Text, StringComparison.Ordinal);
        Assert.EndsWith("\nexit \"$code\"\n", script.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Script_IsTheSameOfTheSameSettings_AndAnotherOfOthers()
    {
        var script = HostScript.Make(Face, Authority, new()).Value;

        Assert.Equal(script.Sha256, HostScript.Make(Face, Authority, new()).Value.Sha256);
        Assert.Matches("^[0-9a-f]{64}$", script.Sha256);
        Assert.NotEqual(script.Sha256, HostScript.Make(Face with { HttpPort = 1 }, Authority, new()).Value.Sha256);
    }

    [Fact]
    public void WhatIsPutIn_IsNeverReadForPlaces()
    {
        var script = HostScript.Make(Face, "x=%CONTACT%\n", new("10.9.9.9")).Value;

        Assert.Contains("authority='x=%CONTACT%'", script.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a'; rm -rf /; '", null, "bootstrap.contact")]
    [InlineData("a\nb", null, "bootstrap.contact")]
    [InlineData(null, "a'b", "bootstrap.agent_id")]
    [InlineData(null, "..", "bootstrap.agent_id")]
    [InlineData(null, "", "bootstrap.agent_id")]
    public void HostileChoice_IsRefused_NamingTheField(string? contact, string? agentId, string code) =>
        Assert.Equal(code, HostScript.Make(Face, Authority, new(contact, agentId)).Refusal?.Code);

    [Theory]
    [InlineData("0.0.0.0", true, "bootstrap.registrar.address")]
    [InlineData("::", true, "bootstrap.registrar.address")]
    [InlineData("x'y", true, "bootstrap.registrar.address")]
    [InlineData("10.1.0.5", false, "bootstrap.registrar.off")]
    public void ARegistrarNobodyReaches_MakesNoScript(string address, bool enabled, string code) =>
        Assert.Equal(code, HostScript.Make(Face with { Address = address, Enabled = enabled }, Authority, new()).Refusal?.Code);
}
