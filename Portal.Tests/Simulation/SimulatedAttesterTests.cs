using System.Security.Cryptography;
using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Boot;
using Portal.Core.Tpm;

namespace Portal.Tests.Simulation;

public sealed class SimulatedAttesterTests : IDisposable
{
    private readonly SimulatedWorld world = new();

    public static TheoryData<string> OneOfEachModel => ["kvm-a01", "kvm-a02", "kvm-b01", "kvm-b04", "kvm-b05"];

    public void Dispose() => world.Dispose();

    [Theory]
    [MemberData(nameof(OneOfEachModel))]
    public async Task Quote_OfAnHonestHost_IsSignedForTheNonceAndHoldsThePcrs(string name)
    {
        var evidence = await world.QuoteAsync(name);
        var quoted = IndependentCheck.Read(evidence.Quote);
        Assert.True(IndependentCheck.Signed(await world.KeyAsync(name), evidence.Quote, evidence.Signature));
        Assert.Equal(SimulatedWorld.Nonce, quoted.Nonce);
        Assert.Equal(0x000B, quoted.Bank);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14], quoted.Pcrs);
        Assert.Equal(IndependentCheck.Digest(evidence.Pcrs), quoted.Digest);
    }

    [Theory]
    [MemberData(nameof(OneOfEachModel))]
    public async Task EventLog_OfAnHonestHost_ReplaysToTheQuotedPcrs(string name)
    {
        var evidence = await world.QuoteAsync(name);
        var events = IndependentCheck.Events(evidence.EventLog!);
        Assert.True(IndependentCheck.Replays(evidence.EventLog!, evidence.Bank, evidence.Pcrs));
        Assert.InRange(events.Count, 80, 110);
        Assert.Equal(Enumerable.Range(0, 8), events.Where(e => e.Type == 4).Select(e => e.Pcr).Order());
    }

    [Fact]
    public async Task Keys_OfTheFleet_AreHalfRsaHalfEccAndRestricted()
    {
        var keys = new List<byte[]>();
        foreach (var host in world.Fleet.Hosts)
        {
            keys.Add(await world.KeyAsync(host.Name));
        }

        Assert.Equal(6, keys.Count(k => k[1] == 0x01));
        Assert.Equal(6, keys.Count(k => k[1] == 0x23));
        Assert.All(keys, k => Assert.Equal("00050072", Convert.ToHexString(k, 4, 4)));
        Assert.Equal(12, keys.Select(Convert.ToHexString).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task CommandLine_InTheLog_HashesToItsDigest()
    {
        var evidence = await world.QuoteAsync("kvm-a01");
        var line = Assert.Single(IndependentCheck.Events(evidence.EventLog!), e => Encoding.UTF8.GetString(e.Data).StartsWith("kernel_cmdline: ", StringComparison.Ordinal));
        Assert.Equal(SHA256.HashData(line.Data.AsSpan(16..^1)), line.Digests[0x000B]);
    }

    [Fact]
    public async Task Events_AsThePortalDescribesThem_SayWhatWasBooted()
    {
        var log = EventLog.Parse((await world.QuoteAsync("kvm-a01")).EventLog).Value;
        var described = log.Entries.Select(e => (e.Pcr, Says: EventDescription.Of(e, TpmAlgorithm.Sha256))).ToArray();
        Assert.Equal([@"\EFI\redhat\shimx64.efi", @"\EFI\redhat\grubx64.efi"], described.Where(e => e.Pcr == 4 && e.Says.Path is { Length: > 0 }).Select(e => e.Says.Path!));
        Assert.Contains(described, e => e.Pcr == 8 && e.Says.ProvenText?.StartsWith("(hd0,gpt2)/vmlinuz-5.14.0-570.12.1.el9.x86_64 root=", StringComparison.Ordinal) == true);
        Assert.Contains(described, e => e.Pcr == 0 && e.Says.ProvenText?.Contains("2.19.1", StringComparison.Ordinal) == true);
        Assert.Equal(["SecureBoot", "PK", "KEK", "db", "dbx", "db", "SbatLevel", "Shim"], described.Where(e => e.Pcr == 7 && e.Says.Variable is not null).Select(e => e.Says.Variable!.Name));
    }

    [Fact]
    public async Task SecureBootVariables_InTheLog_HoldCertificates()
    {
        var evidence = await world.QuoteAsync("kvm-a01");
        var keyVariable = IndependentCheck.Events(evidence.EventLog!).Single(e => e.Pcr == 7 && e.Data.Length > 40 && Encoding.Unicode.GetString(e.Data, 32, 4) == "PK");
        var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(keyVariable.Data.AsSpan(32 + 4 + 28 + 16));
        Assert.Contains("Dell Inc. Platform Key", certificate.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EventLog_OfHostsThatBootedTheSame_IsOneInstance()
    {
        var one = await world.QuoteAsync("kvm-a01");
        var other = await world.QuoteAsync("kvm-a02");
        Assert.Same(one.EventLog, other.EventLog);
    }

    [Fact]
    public async Task Quote_OfABankThatIsNotAllocated_QuotesNothing()
    {
        var evidence = await world.QuoteAsync("kvm-a01", bank: 0x0004);
        Assert.Empty(evidence.Pcrs);
        Assert.Empty(IndependentCheck.Read(evidence.Quote).Pcrs);
    }

    [Fact]
    public async Task Quote_OfASecondBank_Replays()
    {
        var evidence = await world.QuoteAsync("kvm-b06", bank: 0x000C);
        Assert.Equal(0x000C, IndependentCheck.Read(evidence.Quote).Bank);
        Assert.True(IndependentCheck.Replays(evidence.EventLog!, 0x000C, evidence.Pcrs));
    }

    [Fact]
    public async Task Quote_WithALongNonce_FailsInTheTpm()
    {
        var answer = await world.Attesters.QuoteAsync(
            world.Endpoint("kvm-a01"), new QuoteRequest(new string('x', 35), 0x000B, [0], WithEventLog: false), TestContext.Current.CancellationToken);
        Assert.IsType<ChannelAnswer.TpmFailed>(answer);
    }

    [Fact]
    public async Task Quote_OfAHostNobodySimulates_IsSilent()
    {
        var nobody = new HostEndpoint(Guid.NewGuid(), "nobody", "sim:nobody", null);
        Assert.IsType<ChannelAnswer.Silent>(await world.Attesters.QuoteAsync(nobody, new QuoteRequest(SimulatedWorld.Nonce, 11, [0], WithEventLog: false), TestContext.Current.CancellationToken));
        Assert.Null(await world.Attesters.IdentifyAsync(nobody, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Clock_BetweenQuotes_CountsMilliseconds()
    {
        var before = IndependentCheck.Read((await world.QuoteAsync("kvm-a01")).Quote);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        var after = IndependentCheck.Read((await world.QuoteAsync("kvm-a01")).Quote);
        Assert.Equal(5000ul, after.Clock - before.Clock);
        Assert.Equal(before.Resets, after.Resets);
    }

    [Fact]
    public async Task Signing_ByManyAtOnce_StaysValid()
    {
        var key = await world.KeyAsync("kvm-a01");
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), async (n, _) =>
        {
            var evidence = await world.QuoteAsync("kvm-a01", nonce: $"nonce{n}");
            Assert.True(IndependentCheck.Signed(key, evidence.Quote, evidence.Signature));
        });
    }

    [Fact]
    public void References_OfTheFleet_AreAFewAndCoverTheirPcrs()
    {
        var references = world.Fleet.References;
        Assert.Equal(
            [
                "PowerEdge R760 firmware 2.19.1",
                "ProLiant DL380 Gen11 firmware U54 2.10",
                "RHEL 9.5 hypervisor 5.14.0-503.11.1",
                "RHEL 9.6 hypervisor 5.14.0-570.12.1",
            ],
            references.Select(r => r.Name));
        Assert.All(references, r => Assert.All(r.Pcrs, pcr => Assert.Contains(r.Events, e => e.Pcr == pcr)));
    }

    [Fact]
    public async Task Reference_OfAHost_IsWhatItsLogHolds()
    {
        var log = IndependentCheck.Events((await world.QuoteAsync("kvm-b06")).EventLog!);
        var recipe = world.State.Find("kvm-b06")!.Original;
        foreach (var reference in new[] { ReferenceImage.OfFirmware(recipe), ReferenceImage.OfHypervisor(recipe) })
        {
            foreach (var pcr in reference.Pcrs)
            {
                Assert.Equal(
                    log.Where(e => e.Pcr == pcr && e.Type != 3).Select(e => (e.Type, Convert.ToHexStringLower(e.Digests[0x000B]))),
                    reference.Events.Where(e => e.Pcr == pcr).Select(e => (e.EventType, e.Sha256)));
            }
        }
    }
}
