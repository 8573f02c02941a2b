using System.Text;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Tests.Attestation.Bootstrap;

public sealed class HostOutputTests
{
    [Fact]
    public void WhatSteersATerminalOrAPage_StandsAsItsNumber()
    {
        var output = Hear("\u001b[2J\u001b]0;owned\u0007 plain\r\nnext\u202egnp.exe\n");

        Assert.Equal(["\\u{1b}[2J\\u{1b}]0;owned\\u{7} plain", "next\\u{202e}gnp.exe"], output.Lines);
    }

    [Fact]
    public void ALineWithoutEnd_IsCut()
    {
        var output = Hear(new string('x', 1_000_000), "\nafter\n");

        Assert.Equal((2, "after", 1_000_007L), (output.Lines.Count, output.Lines[1], output.Bytes));
        Assert.InRange(output.Lines[0].Length, 1, 410);
    }

    [Fact]
    public void MoreLinesThanAreKept_AreCounted_AndHowItEndedIsKept()
    {
        var output = Hear(string.Concat(Enumerable.Range(0, 100).Select(i => $"line {i}\n")), "stopped: no space left\n");

        Assert.Equal(["line 0", "line 1", "line 2", "stopped: no space left", "… and 98 more lines, which are not kept"], output.Lines);
        Assert.Equal("no space left", output.Last(HostScript.Stopped));
    }

    [Fact]
    public void TextCutBetweenItsBytes_IsPutTogether_AndWhatIsNoTextIsMarked()
    {
        var output = new HostOutput(3, static line => line);
        foreach (var one in Encoding.UTF8.GetBytes("grün\n"))
        {
            output.Add([one]);
        }

        output.Add([0xff, 0xfe, (byte)'\n']);
        output.Add(Encoding.UTF8.GetBytes("last"));
        output.Close();

        Assert.Equal(["grün", "\\u{fffd}\\u{fffd}", "last"], output.Lines);
    }

    [Fact]
    public void ThePassword_IsTakenOutOfWhatTheHostSays()
    {
        using var credentials = new SshCredentials("root", "Tr0ub4dor");
        var output = new HostOutput(3, credentials.Without);
        output.Add("sh: Tr0ub4dor: not found\n"u8);

        Assert.Equal(["sh: •••: not found"], output.Lines);
    }

    private static HostOutput Hear(params string[] said)
    {
        var output = new HostOutput(3, static line => line);
        foreach (var text in said)
        {
            output.Add(Encoding.UTF8.GetBytes(text));
        }

        return output;
    }
}
