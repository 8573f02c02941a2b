using System.Text;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class ImaListTests
{
    private static readonly Measured[] s_every =
    [
        ImaBench.Aggregate(),
        new("ima", "sha1", [.. Enumerable.Repeat((byte)7, 20)], "/sbin/init"),
        new("ima-ng", "sha512", [.. Enumerable.Repeat((byte)8, 64)], "/usr/bin/bash"),
        new("ima-sig", "sha256", [.. Enumerable.Repeat((byte)9, 32)], "/usr/bin/qemu_kvm", [3, 2, 4, 1]),
        new("ima-sig", "sha384", [.. Enumerable.Repeat((byte)9, 48)], "/usr/lib/libvirt.so", []),
        new("ima-buf", "sha256", [.. Enumerable.Repeat((byte)10, 32)], ".builtin_trusted_keys", [0x30, 0x82]),
        new("ima-ng", "sm3", [.. Enumerable.Repeat((byte)11, 32)], "/usr/bin/ls"),
        new("ima-ng", "sha256", new byte[32], "/var/log/journal", IsViolation: true),
    ];

    [Theory]
    [InlineData(1, "ima")]
    [InlineData(2, "ima")]
    [InlineData(1, "ima-after")]
    [InlineData(2, "ima-after")]
    public void Parse_RecordedList_IsTheSameInBothForms(int boot, string name)
    {
        var binary = ImaList.ParseBinary(Fixture.Tpm($"vm-ovmf-boot{boot}/{name}.bin")).Value;
        var text = ImaList.ParseText(Fixture.Tpm($"vm-ovmf-boot{boot}/{name}.txt")).Value;

        Assert.Equal(name == "ima" ? 2 : 40, binary.Count);
        AssertSame(binary, text);
        Assert.Equal("boot_aggregate", binary[0].PathText);
        Assert.Equal("/bin/busybox", binary[1].PathText);
        Assert.Equal("3d9f2889d6782537624a4e1a10e68a2ddd53e0ee8bac02676f27308f42ec6bf6", Convert.ToHexStringLower(binary[1].Digest.Span));
        Assert.Equal((ImaTemplate.ImaSig, TpmAlgorithm.Sha256, false), (binary[1].Template, binary[1].DigestAlgorithm, binary[1].IsViolation));
    }

    [Fact]
    public void Parse_EveryTemplate_GivesItsFieldsInBothForms()
    {
        var binary = ImaList.ParseBinary(ImaBench.Binary(s_every)).Value;
        var text = ImaList.ParseText(ImaBench.Text(s_every)).Value;

        AssertSame(binary, text);
        Assert.Equal(s_every.Select(entry => entry.Path), Enumerable.Range(0, binary.Count).Select(i => binary[i].PathText));
        Assert.Equal(s_every.Select(entry => entry.Digest), Enumerable.Range(0, binary.Count).Select(i => binary[i].Digest.ToArray()));
        Assert.Equal(s_every.Select(entry => entry.Fields), Enumerable.Range(0, binary.Count).Select(i => binary[i].TemplateData.ToArray()));
        Assert.Equal(TpmAlgorithm.None, binary[6].DigestAlgorithm);
        Assert.True(binary[7].IsViolation);
    }

    [Fact]
    public void ParseBinary_TemplateNotReadHere_IsKeptForItsDigest()
    {
        var list = ImaBench.List(new Measured("ima-sigv2", "sha256", new byte[32], "/a"));

        Assert.Equal((ImaTemplate.Other, 0, ""), (list[0].Template, list[0].Digest.Length, list[0].PathText));
        Assert.Equal(TpmRefusalCode.TemplateUnknown,
            ImaList.ParseText(ImaBench.Text([new("ima-sigv2", "ima:sha256", new byte[32], "/a", [])])).Refusal?.Code);
    }

    [Fact]
    public void Parse_TemplateNoKernelHas_IsRefused()
    {
        Measured[] entries = [new("ima-mine", "sha256", new byte[32], "/a")];

        Assert.Equal(TpmRefusalCode.TemplateUnknown, ImaList.ParseBinary(ImaBench.Binary(entries)).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.TemplateUnknown, ImaList.ParseText(ImaBench.Text(entries)).Refusal?.Code);
    }

    [Fact]
    public void Parse_CutAnywhereButBetweenEntries_IsRefused()
    {
        foreach (var (list, isText) in new[] { (ImaBench.Binary(s_every), false), (ImaBench.Text(s_every), true) })
        {
            var ends = s_every.Select((_, i) => isText ? ImaBench.Text(s_every[..(i + 1)]).Length : ImaBench.Binary(s_every[..(i + 1)]).Length).ToHashSet();
            for (var length = 0; length <= list.Length; length++)
                Assert.Equal(ends.Contains(length), (isText ? ImaList.ParseText(list.AsSpan(0, length)) : ImaList.ParseBinary(list.AsSpan(0, length))).IsAccepted);
        }
    }

    [Theory]
    [InlineData("11 {0} ima-ng {1} /a\n")]
    [InlineData(" 10 {0} ima-ng {1} /a\n")]
    [InlineData("10  {0} ima-ng {1} /a\n")]
    [InlineData("10 {0} ima-ng {1}\n")]
    [InlineData("10 {0} ima-ng {1} /a b\n")]
    [InlineData("10 {0} ima-sig {1} /a\n")]
    [InlineData("10 {0} ima-sig {1} /a zz\n")]
    [InlineData("10 {0} ima-sig {1} /a 123\n")]
    [InlineData("10 {0}00 ima-ng {1} /a\n")]
    [InlineData("10 {0} ima-ng {1}00 /a\n")]
    [InlineData("10 {0} ima {1} /a\n")]
    [InlineData("10 {0} ima-ng sha256 /a\n")]
    [InlineData("10 {0} ima-ng :00 /a\n")]
    [InlineData("10 {0} ima-ng SHA256:00 /a\n")]
    [InlineData("10 {0} ima-ng {1} /a\n\n")]
    [InlineData("\n")]
    public void ParseText_NotAsTheKernelWritesIt_IsRefused(string line)
    {
        var text = string.Format(System.Globalization.CultureInfo.InvariantCulture, line, new string('a', 40), $"sha256:{new string('b', 64)}");

        Assert.False(ImaList.ParseText(Encoding.ASCII.GetBytes(text)).IsAccepted);
    }

    [Fact]
    public void ParseText_UpperCaseDigits_AreRefused()
    {
        var text = Encoding.ASCII.GetString(Fixture.Tpm("vm-ovmf-boot1/ima.txt"));

        Assert.False(ImaList.ParseText(Encoding.ASCII.GetBytes(text.Replace("e374b5", "E374B5", StringComparison.Ordinal))).IsAccepted);
    }

    [Fact]
    public void ParseBinary_LengthsBeyondReason_AreRefused()
    {
        var entry = Measured.File("/a", 1).Binary();
        // The template name's length is at 24, that of the data at 34, that of the digest at 38.
        foreach (var at in new[] { 24, 34, 38 })
        {
            foreach (var length in new uint[] { 0, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF })
            {
                var changed = (byte[])entry.Clone();
                BitConverter.TryWriteBytes(changed.AsSpan(at), length);
                Assert.False(ImaList.ParseBinary(changed).IsAccepted, $"{length} at {at}");
            }
        }
        Assert.False(ImaList.ParseBinary(new Measured("ima-ng", "sha256", new byte[32], new string('x', 4096)).Binary()).IsAccepted);
        Assert.True(ImaList.ParseBinary(new Measured("ima-ng", "sha256", new byte[32], new string('x', 4095)).Binary()).IsAccepted);
        Assert.False(ImaList.ParseBinary(new Measured("ima", "sha1", new byte[20], new string('x', 256) + "\0").Fields).IsAccepted);
        Assert.Equal(TpmRefusalCode.TooLarge,
            ImaList.ParseBinary(new Measured("ima-buf", "sha256", new byte[32], "key", new byte[ImaList.MaxTemplateSize]).Binary()).Refusal?.Code);
    }

    [Fact]
    public void ParseBinary_NulInsideAPath_IsRefused() =>
        Assert.Equal(TpmRefusalCode.Malformed, ImaList.ParseBinary(Measured.File("/bin/good\0/bin/evil", 1).Binary()).Refusal?.Code);

    [Fact]
    public void Parse_HundredMegabytes_AreRefusedUnread()
    {
        var huge = new byte[100_000_000];

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(TpmRefusalCode.TooLarge, ImaList.ParseBinary(huge).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.TooLarge, ImaList.ParseText(huge).Refusal?.Code);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
    }

    [Fact]
    public void Parse_MoreEntriesThanTheLimit_AreRefused()
    {
        // The shortest entry there is: a template that is not read here, and no data.
        byte[] shortest = [10, 0, 0, 0, .. new byte[20], 7, 0, 0, 0, .. "evm-sig"u8, 0, 0, 0, 0];
        var list = new byte[shortest.Length * (ImaList.MaxEntries + 1)];
        for (var at = 0; at < list.Length; at += shortest.Length)
            shortest.CopyTo(list, at);

        Assert.Equal(TpmRefusalCode.TooLarge, ImaList.ParseBinary(list).Refusal?.Code);
        Assert.Equal(ImaList.MaxEntries, ImaList.ParseBinary(list.AsSpan(shortest.Length)).Value.Count);
    }

    private static void AssertSame(ImaList one, ImaList other)
    {
        Assert.Equal(one.Count, other.Count);
        for (var i = 0; i < one.Count; i++)
        {
            Assert.Equal(one[i].Template, other[i].Template);
            Assert.Equal(one[i].TemplateDigest.ToArray(), other[i].TemplateDigest.ToArray());
            Assert.Equal(one[i].TemplateData.ToArray(), other[i].TemplateData.ToArray());
        }
    }
}
