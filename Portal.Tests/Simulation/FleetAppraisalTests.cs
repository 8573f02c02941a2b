using System.Collections.Immutable;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;
using Portal.Core.Tpm;

namespace Portal.Tests.Simulation;

/// <summary>The portal's own verifier on the simulated fleet, with the fleet's references approved.</summary>
public sealed class FleetAppraisalTests : IDisposable
{
    private static readonly int[] Pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14];

    private readonly SimulatedWorld world = new();

    public void Dispose() => world.Dispose();

    [Fact]
    public async Task Fleet_Unchanged_IsTrustedHostByHost()
    {
        foreach (var host in world.Fleet.Hosts)
        {
            var appraisal = await AppraiseAsync(host.Name);
            Assert.True(appraisal.Verdict == Verdict.Trusted, $"{host.Name}: {string.Join("; ", appraisal.Findings.Select(f => f.Sentence))}");
        }
    }

    [Fact]
    public void References_AsBaselines_PassTheRulesWithoutAWarning()
    {
        foreach (var reference in world.Fleet.References)
        {
            Assert.Empty(BaselineNameRules.Instance.Validate(new BaselineName(reference.Name, reference.Description, Kind(reference.Kind))).Errors);
        }

        foreach (var revision in Approved().Revisions)
        {
            Assert.Empty(ContentRules.Instance.Validate(revision.Content).Errors);
            Assert.Empty(BaselineWarnings.Of(revision.Content, revision.Kind));
        }
    }

    [Fact]
    public async Task BootLoader_Changed_IsUntrustedForPcr4()
    {
        Change(host => HostChanges.NextBootLoader(host)!);
        var appraisal = await AppraiseAsync("kvm-a01");
        Assert.Equal(Verdict.Untrusted, appraisal.Verdict);
        var first = appraisal.Findings.First(f => !f.IsNote);
        Assert.Equal((FindingCode.UnknownComponent, 4), (first.Code, first.Pcr));
    }

    [Fact]
    public async Task Firmware_Changed_IsUntrustedForPcr0()
    {
        Change(host => HostChanges.NextFirmware(host)!);
        var appraisal = await AppraiseAsync("kvm-a01");
        Assert.Equal(Verdict.Untrusted, appraisal.Verdict);
        var first = appraisal.Findings.First(f => !f.IsNote);
        Assert.Equal((FindingCode.UnknownComponent, 0), (first.Code, first.Pcr));
    }

    [Theory]
    [InlineData(Fault.BootEventAbsent)]
    [InlineData(Fault.BootEventExtra)]
    [InlineData(Fault.BootEventsReordered)]
    public async Task Boot_OtherThanApproved_IsUntrustedForPcr4(Fault fault)
    {
        world.Attesters.Inject("kvm-a01", fault);
        var appraisal = await AppraiseAsync("kvm-a01");
        Assert.Equal(Verdict.Untrusted, appraisal.Verdict);
        Assert.Equal(4, appraisal.Findings.First(f => !f.IsNote).Pcr);
    }

    private void Change(Func<SimulatedHost, SimulatedHost> change) => world.State.Change(() =>
    {
        var host = change(world.State.Find("kvm-a01")!);
        return (true, HostChanges.Rebooted(host, world.State.DomainsOf(host.Name), world.Time.GetUtcNow(), "rebooted").Changes);
    });

    private async Task<Appraisal> AppraiseAsync(string name)
    {
        using var key = AttestationKey.Accept(await world.KeyAsync(name)).Value;
        var evidence = await world.QuoteAsync(name, pcrs: Pcrs);
        var (passed, failure) = EvidenceCheck.Check(key, evidence, SimulatedWorld.Nonce, new QuoteRequest(SimulatedWorld.Nonce, 0x000B, Pcrs, WithEventLog: true));
        Assert.True(failure is null, failure?.Sentence);
        return Appraiser.Appraise(passed!, Approved());
    }

    private ApprovedSet Approved() => new(
        Guid.NewGuid(),
        1,
        BaselineKinds.Firmware | BaselineKinds.Hypervisor,
        [.. world.Fleet.References.Select(r => new ApprovedRevision(Guid.NewGuid(), Guid.NewGuid(), r.Name, 1, Kind(r.Kind), Content(r)))]);

    private static BaselineKinds Kind(ReferenceKind kind) => kind switch
    {
        ReferenceKind.Firmware => BaselineKinds.Firmware,
        ReferenceKind.Hypervisor => BaselineKinds.Hypervisor,
    };

    private static BaselineContent Content(ReferenceImage reference) => new(
        0x000B,
        [
            .. reference.Pcrs.Select(pcr => new PcrReference(
                pcr,
                [],
                [.. reference.Events.Where(e => e.Pcr == pcr).Select(e => new EventReference(e.EventType, ImmutableArray.Create(e.Sha256), e.Label, e.Optional))])),
        ],
        [],
        "");
}
