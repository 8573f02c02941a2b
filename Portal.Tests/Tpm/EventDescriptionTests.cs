using System.Text;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class EventDescriptionTests
{
    private static readonly EventLog s_rhel = EventLog.Parse(Fixture.Log("rhel8-uefi.bin")).Value;
    private static readonly EventLog s_arch = EventLog.Parse(Fixture.Log("arch-linux-workstation.bin")).Value;
    private static readonly EventLog s_debian = EventLog.Parse(Fixture.Log("debian-10.bin")).Value;
    private static readonly EventLog s_vm = EventLog.Parse(Fixture.VmLog(1)).Value;

    [Theory]
    [InlineData(1, "GCE Virtual Firmware v1", EventProof.Whole)]
    [InlineData(3, "SecureBoot = on", EventProof.Whole)]
    [InlineData(4, "PK = 1 certificate, 0 hashes", EventProof.Whole)]
    [InlineData(8, "end of firmware measurements (00000000)", EventProof.Whole)]
    [InlineData(9, "BootOrder = 0002, 0000, 0001", EventProof.Part)]
    [InlineData(10, @"Boot0002 = ""Red Hat Enterprise Linux"" \EFI\redhat\shimx64.efi", EventProof.Part)]
    [InlineData(13, "Calling EFI Application from Boot Option", EventProof.Whole)]
    [InlineData(23, @"\EFI\redhat\shimx64.efi", EventProof.Claimed)]
    [InlineData(24, "MokList", EventProof.Claimed)]
    [InlineData(26, @"\EFI\redhat\grubx64.efi", EventProof.Claimed)]
    [InlineData(28, "grub_cmd set pager=1", EventProof.Part)]
    [InlineData(76, "grub_linuxefi Kernel", EventProof.Claimed)]
    [InlineData(82, "Exit Boot Services Returned with Success", EventProof.Whole)]
    public void Of_RedHatEvent_IsReadable(int index, string text, EventProof proof)
    {
        var description = s_rhel.Entries[index].Describe(TpmAlgorithm.Sha256);

        Assert.Equal(text, description.Text);
        Assert.Equal(proof, description.Proof);
        Assert.Equal(proof == EventProof.Whole, description.IsProven);
        Assert.Equal(proof == EventProof.Claimed, description.ProvenText is null);
    }

    [Fact]
    public void Of_GrubCommandLine_ProvesTheWordsThatWereHashed()
    {
        var description = s_rhel.Entries[78].Describe(TpmAlgorithm.Sha256);

        Assert.StartsWith("grub_kernel_cmdline ", description.Text, StringComparison.Ordinal);
        Assert.StartsWith("(hd0,gpt2)/boot/vmlinuz-4.18.0-240.22.1.el8_3.x86_64 root=UUID=", description.ProvenText, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_Image_GivesItsPath() =>
        Assert.Equal(@"\EFI\redhat\grubx64.efi", s_rhel.Entries[26].Describe(TpmAlgorithm.Sha256).Path);

    [Fact]
    public void Of_KeyLists_NameCertificatesAndOwners()
    {
        var kek = s_rhel.Entries[5].Describe(TpmAlgorithm.Sha256);
        var revoked = s_rhel.Entries[7].Describe(TpmAlgorithm.Sha256);
        var authority = s_rhel.Entries[21].Describe(TpmAlgorithm.Sha256);

        Assert.Contains("CN=Microsoft Corporation KEK CA 2011", Assert.Single(kek.Details), StringComparison.Ordinal);
        Assert.Equal("KEK", kek.Variable?.Name);
        Assert.Contains(revoked.Details, line => line.StartsWith("SHA-256 ", StringComparison.Ordinal) && line.EndsWith("(owner Microsoft)", StringComparison.Ordinal));
        Assert.InRange(revoked.Details.Length, 2, 65);
        Assert.StartsWith("allowed by db: CN=Microsoft Corporation UEFI CA 2011", authority.Text, StringComparison.Ordinal);
        Assert.True(authority.IsProven);
    }

    [Fact]
    public void Of_PartitionTable_NamesDiskAndPartitions()
    {
        var table = s_rhel.Entries[22].Describe(TpmAlgorithm.Sha256);

        Assert.Matches("^disk [0-9a-f-]{36} with 2 partitions$", table.Text);
        Assert.Equal(2, table.Details.Length);
    }

    [Theory]
    [InlineData(1, "no version given", EventProof.Whole)]
    [InlineData(2, "firmware at 0x820000, 917504 bytes", EventProof.Claimed)]
    [InlineData(5, "PK = empty", EventProof.Whole)]
    [InlineData(10, "kernel", EventProof.Claimed)]
    [InlineData(21, "Linux, command line: LOADED_IMAGE::LoadOptions", EventProof.Claimed)]
    [InlineData(22, "Linux, initial RAM disk: Linux initrd", EventProof.Claimed)]
    public void Of_VirtualMachineEvent_IsReadable(int index, string text, EventProof proof)
    {
        var description = s_vm.Entries[index].Describe(TpmAlgorithm.Sha256);

        Assert.Equal(text, description.Text);
        Assert.Equal(proof, description.Proof);
    }

    [Fact]
    public void Of_SystemdBootCommandLine_IsReadFromUtf16ButOnlyClaimed()
    {
        var description = s_arch.Entries[24].Describe(TpmAlgorithm.Sha256);

        Assert.StartsWith(@"initrd=\intel-ucode.img initrd=\initramfs-lin", description.Text, StringComparison.Ordinal);
        Assert.Equal(EventProof.Claimed, description.Proof);
    }

    [Fact]
    public void Of_BankTheLogLacks_ProvesNothing() =>
        Assert.All(s_vm.Entries, entry => Assert.Equal(EventProof.Claimed, entry.Describe(TpmAlgorithm.Sha512).Proof));

    [Fact]
    public void Of_EveryRecordedEvent_IsShortAndSafe()
    {
        foreach (var log in new[] { s_rhel, s_arch, s_debian, s_vm })
        {
            foreach (var entry in log.Entries)
                AssertSafe(entry.Describe(log.Banks[^1].Algorithm));
        }
    }

    [Theory]
    [InlineData("kernel_cmdline: ro quiet", "kernel_cmdline: ro quiet", "ro quiet")]
    [InlineData("grub_cmd: set a=b: c", "grub_cmd: set a=b: c", "set a=b: c")]
    public void Of_GrubEventOfToday_ProvesWhatFollowsTheColon(string data, string text, string proven)
    {
        var description = Ipl(Encoding.UTF8.GetBytes(data), Encoding.UTF8.GetBytes(proven));

        Assert.Equal(text, description.Text);
        Assert.Equal(proven, description.ProvenText);
        Assert.Equal(EventProof.Part, description.Proof);
    }

    [Fact]
    public void Of_TextThatLies_IsOnlyClaimed()
    {
        var description = Ipl("kernel_cmdline: lockdown=confidentiality"u8.ToArray(), "init=/bin/sh"u8.ToArray());

        Assert.Equal(EventProof.Claimed, description.Proof);
        Assert.Null(description.ProvenText);
    }

    [Fact]
    public void Of_BootVariableThatLies_IsOnlyClaimed()
    {
        var recorded = s_rhel.Entries[10].Data.ToArray();
        var log = new LogWriter(TpmAlgorithm.Sha256).Measure(1, EventType.EfiVariableBoot, recorded, [1]).Parse();

        var description = log.Entries[1].Describe(TpmAlgorithm.Sha256);

        Assert.Equal(EventProof.Claimed, description.Proof);
        Assert.Null(description.ProvenText);
    }

    [Fact]
    public void Of_NoteWhoseDigestIsItsHash_ProvesNothing()
    {
        var log = new LogWriter(TpmAlgorithm.Sha256).Measure(0, EventType.NoAction, "a good version"u8.ToArray()).Parse();

        Assert.Equal(EventProof.Claimed, log.Entries[1].Describe(TpmAlgorithm.Sha256).Proof);
    }

    [Fact]
    public void Of_ControlAndDirectionCharacters_AreSpelledOut()
    {
        var description = Ipl(Encoding.UTF8.GetBytes("a\tb\nc\u202Ed\u200Be"), [1]);

        Assert.Equal(@"a\u{9}b\u{a}c\u{202e}d\u{200b}e", description.Text);
    }

    [Fact]
    public void Of_EscapeSequence_IsShownAsBytes() =>
        Assert.Equal("5 bytes: 611b5b306d", Ipl("a\x1b[0m"u8.ToArray(), [1]).Text);

    [Fact]
    public void Of_EndlessText_IsCut()
    {
        var description = Ipl(Encoding.ASCII.GetBytes(new string('x', 100_000)), [1]);

        Assert.InRange(description.Text.Length, 100, 800);
        Assert.EndsWith("…", description.Text, StringComparison.Ordinal);
    }

    internal static void AssertSafe(EventDescription description)
    {
        Assert.InRange(description.Text.Length, 0, EventDescription.MaxTextLength + 12);
        Assert.InRange(description.Details.Length, 0, SignatureList.MaxLines + 1);
        Assert.DoesNotContain(description.Text, char.IsControl);
        Assert.All(description.Details, line => Assert.DoesNotContain(line, char.IsControl));
    }

    private static EventDescription Ipl(byte[] data, byte[] measured) =>
        new LogWriter(TpmAlgorithm.Sha256).Measure(8, EventType.Ipl, data, measured).Parse().Entries[1].Describe(TpmAlgorithm.Sha256);
}
