using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Hosts whose trust is a server's word.</summary>
public sealed class ServedHostTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Server_VerifiesAnew_HostIsTrustedSinceThePollBefore()
    {
        await using var served = await ServedPool.StartAsync();
        await served.PollAsync();
        Assert.NotEqual(TrustStatus.Trusted, await served.StatusAsync(Host));
        var before = served.Pool.Time.GetUtcNow();

        served.Pool.Time.Advance(TimeSpan.FromSeconds(10));
        await served.PollAsync();

        var row = await served.Pool.RowAsync(Host);
        Assert.Equal((Verdict.Trusted, before), (row.Verdict, row.VerifiedAt));
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        Assert.Equal(OperationState.Succeeded, (await served.Pool.CreateAsync("vm", start: true)).Operation.State);
    }

    [Fact]
    public async Task Server_FindsMismatch_HostIsUntrustedUntilItMatchesAnew()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script["there-" + Host] = Doing.Mismatching;
        await served.PollAsync();
        Assert.Equal(TrustStatus.Untrusted, await served.StatusAsync(Host));
        Assert.Contains("PCR 4", (await served.Pool.RowAsync(Host)).Findings, StringComparison.Ordinal);

        served.Script["there-" + Host] = Doing.Silent;
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Untrusted, await served.StatusAsync(Host));

        served.Script["there-" + Host] = Doing.Well;
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task Server_Down_HostsRunStale_OneAlarm_NoVmMoves_AndTheyAreBackWhenItIs()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        await served.Pool.CreateAsync("vm", start: true);
        var where = (await served.Pool.VmAsync("vm"))!.HostId;

        served.Script.IsDown = true;
        for (var i = 0; i < 5; i++)
        {
            await served.PollAsync();
        }

        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        served.Pool.Time.Advance(DemoSeed.Policy.Lifetime);
        await served.Pool.Get<StalenessWatch>().TellAsync(served.Pool.Cluster, served.Ct);

        Assert.Equal(TrustStatus.Stale, await served.StatusAsync(Host));
        await using var db = served.Pool.Database();
        Assert.Equal("service.down", Assert.Single(await db.AuditEntries.Where(a => a.Severity == AuditSeverity.Alarm && a.Event != "host.untrusted").Select(a => a.Event).ToListAsync(served.Ct)));
        var vm = (await served.Pool.VmAsync("vm"))!;
        Assert.Equal((where, VirtualMachineStatus.Up, (DateTimeOffset?)null), (vm.HostId, vm.Status, vm.UntrustedSince));
        Assert.Equal(OperationState.Failed, (await served.Pool.CreateAsync("other", start: true)).Operation.State);

        served.Script.IsDown = false;
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        Assert.Contains("service.up", await served.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_Down_WhileThePortalIsStartedAgain_IsOneAlarm_AndOneWordWhenItIsBack()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script.IsDown = true;
        for (var i = 0; i < 3; i++)
        {
            await served.PollAsync();
            await served.PollAsync();
            await served.Pool.RestartAsync();
        }

        served.Script.IsDown = false;
        await served.VerifyAsync();
        await served.Pool.RestartAsync();
        await served.VerifyAsync();

        await using var db = served.Pool.Database();
        Assert.Equal(["service.down", "service.up"], await db.AuditEntries.Where(a => a.Event == "service.down" || a.Event == "service.up").OrderBy(a => a.Id).Select(a => a.Event).ToListAsync(served.Ct));
        served.Script.IsDown = true;
        await served.PollAsync();
        await served.PollAsync();
        Assert.Equal(2, await db.AuditEntries.CountAsync(a => a.Event == "service.down", served.Ct));
    }

    [Fact]
    public async Task HostsOnWhichAStartWaits_AreAskedAboutFirst_WhateverTheirCluster()
    {
        await using var served = await ServedPool.StartAsync();
        var other = TrustedPool.Expect(await served.Pool.Get<CreateCluster>().ExecuteAsync(TrustedPool.Administrator, new("another", "", TrustLevels.Any | TrustLevels.Trusted, TrustPolicy.Default), served.Ct));
        await served.NameAsync(new ServiceSet(new ServiceChoice(served.ServerId, PolicyKeeper.Server)), other);
        await served.VerifyAsync();
        await using var db = served.Pool.Database();
        var hosts = await db.Hosts.OrderBy(h => h.Name).Select(h => h.Id).ToListAsync(served.Ct);
        TrustedPool.Expect(await served.Pool.Get<MoveHost>().ExecuteAsync(TrustedPool.Administrator, hosts[1], other, served.Ct));
        var template = await db.Templates.Select(t => t.Id).FirstAsync(served.Ct);
        foreach (var (awaited, cluster) in new[] { (hosts[1], other), (hosts[2], served.Pool.Cluster) })
        {
            await db.VirtualMachines.ExecuteDeleteAsync(served.Ct);
            db.VirtualMachines.Add(Waiting(cluster, awaited, template));
            await db.SaveChangesAsync(served.Ct);
            db.ChangeTracker.Clear();

            await served.PollAsync();

            Assert.Equal("there-kvm-a0" + (hosts.IndexOf(awaited) + 1), served.Script.LastPolled[0]);
        }
    }

    [Fact]
    public async Task Server_BackAgain_IsReadAgainSoon()
    {
        await using var served = await ServedPool.StartAsync();
        var polls = served.Pool.Get<ServerPolls>();
        served.Script.IsDown = true;
        await polls.StartAsync(served.Ct);
        await UntilAsync(served, () => served.Pool.Get<ServerHealth>().Of(served.ServerId).IsDown);
        served.Script.IsDown = false;
        await UntilAsync(served, () => !served.Pool.Get<ServerHealth>().Of(served.ServerId).IsDown);
        var back = served.Pool.Time.GetUtcNow();

        await UntilAsync(served, () => served.Script.Trusts(back));

        Assert.InRange(served.Pool.Time.GetUtcNow() - back, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await polls.StopAsync(served.Ct);
    }

    [Fact]
    public async Task TwoServices_HostIsTrustedOnlyWhenBothTrustIt()
    {
        await using var served = await ServedPool.StartAsync(besideOurs: true);
        await served.Pool.Get<AttestationRounds>().RoundAsync(served.Pool.Cluster, served.Ct);
        Assert.Equal((Verdict.None, TrustStatus.Unknown), ((await served.Pool.RowAsync(Host)).Verdict, await served.StatusAsync(Host)));

        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        var words = await served.Pool.Get<ServiceDirectory>().WordsAsync((await served.Pool.HostAsync(Host)).Id, served.Ct);
        Assert.Equal(["Built-in verifier: Trusted", "keylime-a: Trusted"], words.Select(w => $"{w.Name}: {w.Word?.Verdict}"));
        Assert.Equal(words.Min(w => w.Word!.VerifiedAt), (await served.Pool.RowAsync(Host)).VerifiedAt);

        served.Script["there-" + Host] = Doing.Mismatching;
        await served.PollAsync();
        Assert.Equal(TrustStatus.Untrusted, await served.StatusAsync(Host));
        await served.Pool.Get<AttestationRounds>().RoundAsync(served.Pool.Cluster, served.Ct);
        var row = await served.Pool.RowAsync(Host);
        Assert.Equal((Verdict.Untrusted, "keylime-a: PCR 4 differs"), (row.Verdict, row.Reason));
    }

    [Fact]
    public async Task TwoServices_OneIsSilentForTooLong_HostRunsStale()
    {
        await using var served = await ServedPool.StartAsync(besideOurs: true);
        await served.Pool.Get<AttestationRounds>().RoundAsync(served.Pool.Cluster, served.Ct);
        await served.VerifyAsync();
        served.Script["there-" + Host] = Doing.Silent;

        for (var passed = TimeSpan.Zero; passed < DemoSeed.Policy.Lifetime; passed += DemoSeed.Policy.Interval)
        {
            served.Pool.Time.Advance(DemoSeed.Policy.Interval);
            await served.PollAsync();
            await served.Pool.Get<AttestationRounds>().RoundAsync(served.Pool.Cluster, served.Ct);
        }

        Assert.Equal(TrustStatus.Stale, await served.StatusAsync(Host));
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync("kvm-a02"));
    }

    [Fact]
    public async Task Gate_EvidenceTooOld_AsksTheServerThen()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Pool.Time.Advance(DemoSeed.Policy.MaxAgeAtStart + TimeSpan.FromSeconds(20));
        var asked = served.Script.Asks;

        Assert.Equal(OperationState.Succeeded, (await served.Pool.CreateAsync("vm", start: true)).Operation.State);

        Assert.True(served.Script.Asks > asked);
    }

    [Fact]
    public async Task Gate_ServerSaysNoWhenAsked_NothingStarts()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Pool.Time.Advance(DemoSeed.Policy.MaxAgeAtStart + TimeSpan.FromSeconds(20));
        served.Script.OnAsk = name => served.Script[name] = Doing.Mismatching;

        Assert.Equal(OperationState.Failed, (await served.Pool.CreateAsync("vm", start: true)).Operation.State);
        Assert.Null(await served.Pool.VmAsync("vm"));
    }

    [Fact]
    public async Task OtherServices_EndTrustAtOnce_AndDistrustStays()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script["there-kvm-a02"] = Doing.Mismatching;
        await served.PollAsync();

        await served.NameAsync(ServiceSet.BuiltIn);

        Assert.Equal(TrustStatus.Unknown, await served.StatusAsync(Host));
        Assert.Equal(TrustStatus.Untrusted, await served.StatusAsync("kvm-a02"));
        await served.Pool.Get<AttestationRounds>().RoundAsync(served.Pool.Cluster, served.Ct);
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync("kvm-a02"));
    }

    [Fact]
    public async Task WordOfAServer_TheClusterNamesNoMore_ChangesNothing()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        var late = new AttestationReport((await served.Pool.HostAsync(Host)).Id, AttestationPurpose.Round, served.Pool.Time.GetUtcNow(), CheckOutcome.ProtocolError, 1, DemoSeed.Policy.Lifetime, DemoSeed.Policy.ForgetAfter)
        {
            ClusterId = served.Pool.Cluster,
            ServiceId = Guid.NewGuid(),
            Failure = new Finding(FindingCode.ServerFoundMismatch, "No.", "") { Short = "no" },
        };

        await served.Pool.Get<AttestationLedger>().ApplyAsync([late], null, served.Ct);

        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task HostWithAnotherName_LosesTrustAtOnce_AndOneNameIsOneHost()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        var (host, other) = (await served.Pool.HostAsync(Host), await served.Pool.HostAsync("kvm-a02"));

        var taken = await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(served.ServerId, host.Id, "there-" + other.Name), served.Ct);
        Assert.Equal("service.host.taken", taken.Refusal?.Code);
        TrustedPool.Expect(await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(served.ServerId, host.Id, "somebody-else"), served.Ct));

        Assert.Equal(TrustStatus.Unknown, await served.StatusAsync(Host));
        TrustedPool.Expect(await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(served.ServerId, host.Id, null), served.Ct));
        await served.VerifyAsync();
        Assert.Equal(CheckOutcome.NotConfigured, (await served.Pool.RowAsync(Host)).Outcome);
    }

    [Fact]
    public async Task EvidenceFromBeforeAFailure_DoesNotClearIt()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        var (host, before) = ((await served.Pool.HostAsync(Host)).Id, served.Pool.Time.GetUtcNow());
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        served.Script.OnAsk = name => served.Script[name] = Doing.Mismatching;
        Assert.Equal(Verdict.Untrusted, (await served.Pool.AttestAsync(Host)).Verdict);
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await using var db = served.Pool.Database();
        var revision = await db.Clusters.Where(c => c.Id == served.Pool.Cluster).Select(c => c.PolicyRevision).SingleAsync(served.Ct);
        var late = new AttestationReport(host, AttestationPurpose.Round, served.Pool.Time.GetUtcNow(), CheckOutcome.Ok, revision, DemoSeed.Policy.Lifetime, DemoSeed.Policy.ForgetAfter)
        {
            ClusterId = served.Pool.Cluster,
            ServiceId = served.ServerId,
            NameThere = "there-" + Host,
            VerifiedAt = before.AddHours(-1),
            AppearedAfter = before,
            Appraisal = new Appraisal(Verdict.Trusted, [], []),
        };

        await served.Pool.Get<AttestationLedger>().ApplyAsync([late], null, served.Ct);
        Assert.Equal(TrustStatus.Untrusted, await served.StatusAsync(Host));

        // Later by our clock, however old a server whose clock is behind makes it.
        await served.Pool.Get<AttestationLedger>().ApplyAsync([late with { AppearedAfter = served.Pool.Time.GetUtcNow() }], null, served.Ct);
        Assert.Equal(Verdict.Trusted, (await served.Pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task FailureThatIsRepeated_IsNoNewEvidence_NeitherOfTheHostNorOfTheServer()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        await using (var db = served.Pool.Database())
        {
            foreach (var host in await db.Hosts.Select(h => h.Name).ToListAsync(served.Ct))
            {
                served.Script["there-" + host] = Doing.Mismatching;
            }
        }

        served.Pool.Time.Advance(TimeSpan.FromSeconds(10));
        var failed = served.Pool.Time.GetUtcNow();
        for (var i = 0; i < 3; i++)
        {
            await served.PollAsync();
            served.Pool.Time.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.Equal(failed, (await served.Pool.RowAsync(Host)).VerifiedAt);
        Assert.Equal(failed, served.Pool.Get<ServerHealth>().Of(served.ServerId).LastEvidenceAt);
        Assert.True(served.Pool.Get<ServerHealth>().Of(served.ServerId).LastAnswerAt > failed);
    }

    private static VirtualMachine Waiting(Guid cluster, Guid host, Guid template) => new()
    {
        Name = "waits",
        ClusterId = cluster,
        TargetHostId = host,
        TrustLevel = TrustLevel.Trusted,
        Status = VirtualMachineStatus.Starting,
        TemplateId = template,
        Memory = 1 << 30,
        Disk = 1 << 30,
        Cpus = 1,
        CreatedBy = "otto",
        CreatedAt = DateTimeOffset.UnixEpoch,
    };

    private static async Task UntilAsync(ServedPool served, Func<bool> holds)
    {
        while (!holds())
        {
            served.Pool.Time.Advance(TimeSpan.FromMilliseconds(500));
            await Task.Delay(20, served.Ct);
        }
    }

    [Fact]
    public async Task Preview_OfHostsWhoseEvidenceStaysWithAServer_CannotTell()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        await using var db = served.Pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == served.Pool.Cluster, served.Ct);

        var kept = await ReasonsAsync(cluster.Policy with { RequiredKinds = BaselineKinds.Firmware });
        var asked = await ReasonsAsync(cluster.Policy with { Services = ServiceSet.BuiltIn });

        Assert.Equal([(ImpactEffect.CannotTell, "its evidence stays with the attestation server")], kept);
        Assert.Equal([(ImpactEffect.CannotTell, "other services are asked about it then, and all anew")], asked);

        async Task<List<(ImpactEffect, string)>> ReasonsAsync(TrustPolicy policy)
        {
            var impact = TrustedPool.Expect(await served.Pool.Get<ImpactPreview>().IfPolicyAsync(TrustedPool.Author, cluster.Id, policy, served.Ct));
            var found = new List<(ImpactEffect, string)>();
            await foreach (var host in impact.ByHost)
            {
                found.Add((host.Effect, host.Reason));
            }

            return [.. found.Distinct()];
        }
    }
}
