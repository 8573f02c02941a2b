using System.Globalization;
using System.Text.RegularExpressions;
using Portal.Core.Tpm;

namespace Portal.E2E.Peers.Tpm;

/// <summary>Our replay against that of tpm2_eventlog, on logs without StartupLocality, which the tool extends wrongly.</summary>
public sealed partial class EventLogPeerTests(SoftwareTpm tpm) : IClassFixture<SoftwareTpm>
{
    [Theory]
    [InlineData("Tpm/vm-ovmf-boot1/eventlog.bin")]
    [InlineData("Tpm/vm-ovmf-boot2/eventlog.bin")]
    [InlineData("EventLogs/rhel8-uefi.bin")]
    [InlineData("EventLogs/arch-linux-workstation.bin")]
    [InlineData("EventLogs/debian-10.bin")]
    public async Task Replay_OfARecordedLog_GivesWhatThePeerComputes(string file)
    {
        tpm.RequireOrSkip();
        tpm.Write("log.bin", Recorded.File(file));
        var printed = await tpm.RunAsync("tpm2_eventlog", "log.bin");
        var expected = ReadPcrs(printed[printed.IndexOf("\npcrs:", StringComparison.Ordinal)..]);
        var log = EventLog.Parse(Recorded.File(file)).Value;

        var replayed = log.Banks.Select(bank => log.Replay(bank.Algorithm).Value)
            .SelectMany(bank => bank.Pcrs.Select(pcr => (bank.Algorithm, pcr, Value: Convert.ToHexStringLower(bank.Get(pcr)!))));

        Assert.NotEmpty(expected);
        Assert.Equal(expected.Order(), replayed.Order());
    }

    private static List<(TpmAlgorithm Bank, int Pcr, string Value)> ReadPcrs(string yaml)
    {
        var read = new List<(TpmAlgorithm, int, string)>();
        var bank = TpmAlgorithm.None;
        foreach (var line in yaml.Split('\n'))
        {
            if (BankLine().Match(line) is { Success: true } named)
                bank = TpmAlgorithmFacts.HashNamed(named.Groups["bank"].Value);
            else if (PcrLine().Match(line) is { Success: true } value)
                read.Add((bank, int.Parse(value.Groups["pcr"].Value, CultureInfo.InvariantCulture), value.Groups["value"].Value));
        }
        return read;
    }

    [GeneratedRegex(@"^  (?<bank>\w+):$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex BankLine();

    [GeneratedRegex(@"^    (?<pcr>\d+)\s*: 0x(?<value>[0-9a-f]+)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PcrLine();
}
