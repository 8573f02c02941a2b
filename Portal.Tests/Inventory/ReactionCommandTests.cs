using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Inventory;

public sealed class ReactionCommandTests
{
    private static readonly ReactionPolicy Evacuate = ReactionPolicy.Default with { Kind = ReactionKind.Evacuate, AtOnce = 4, ReactAfter = TimeSpan.FromSeconds(90) };

    public static TheoryData<ReactionPolicy, string, string> Invalid => new()
    {
        { Evacuate with { Kind = (ReactionKind)7 }, "cluster.reaction.kind", "kind" },
        { Evacuate with { Fallback = (EvacuationFallback)7 }, "cluster.reaction.fallback", "fallback" },
        { Evacuate with { AtOnce = 0 }, "cluster.reaction.at_once", "atOnce" },
        { Evacuate with { AtOnce = 33 }, "cluster.reaction.at_once", "atOnce" },
        { Evacuate with { GuardShare = 0 }, "cluster.reaction.guard_share", "guardShare" },
        { Evacuate with { GuardShare = 101 }, "cluster.reaction.guard_share", "guardShare" },
        { Evacuate with { GuardHosts = 1 }, "cluster.reaction.guard_hosts", "guardHosts" },
        { Evacuate with { GuardWindow = TimeSpan.FromSeconds(29) }, "cluster.reaction.guard_window", "guardWindow" },
        { Evacuate with { ReactAfter = TimeSpan.FromSeconds(-1) }, "cluster.reaction.react_after", "reactAfter" },
        { Evacuate with { ReactAfter = TimeSpan.FromMinutes(61) }, "cluster.reaction.react_after", "reactAfter" },
        { Evacuate with { ReleaseAfter = TimeSpan.FromDays(31) }, "cluster.reaction.release_after", "releaseAfter" },
    };

    [Fact]
    public async Task Reaction_Changed_IsInForceAndTheAuditSaysWhatChanged()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);

        TrustedPool.Expect(await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Author, new(pool.Cluster, Evacuate, ReactionPolicy.Default), pool.Ct));

        await using var db = pool.Database();
        Assert.Equal(Evacuate, (await db.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct)).Reaction);
        Assert.Contains(
            "cluster.reaction: sam changed what prod-a does when a host loses trust: when a host loses trust alert → evacuate, moves at a time 2 → 4, moves begin after 0 s → 90 s.",
            await pool.AuditAsync(),
            StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public async Task Reaction_BeyondItsLimits_IsRefusedWithTheFieldAndNothingChanges(ReactionPolicy wanted, string code, string field)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);

        var refused = await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, wanted), pool.Ct);

        Assert.Equal((code, field), (refused.Refusal?.Code, refused.Refusal?.Field));
        await using var db = pool.Database();
        Assert.Equal(ReactionPolicy.Default, (await db.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct)).Reaction);
    }

    [Fact]
    public async Task Settings_ChangedMeanwhileByAnother_AreRefused()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        TrustedPool.Expect(await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, Evacuate), pool.Ct));
        TrustedPool.Expect(await pool.Get<ChangeMigration>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, MigrationSettings.Default with { CopyStorage = false }), pool.Ct));

        var reaction = await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, Evacuate with { AtOnce = 1 }, ReactionPolicy.Default), pool.Ct);
        var migration = await pool.Get<ChangeMigration>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, MigrationSettings.Default, MigrationSettings.Default), pool.Ct);

        Assert.Equal(("cluster.reaction.meanwhile", "cluster.migration.meanwhile"), (reaction.Refusal?.Code, migration.Refusal?.Code));
    }

    [Fact]
    public async Task Migration_Changed_IsInForce_BeyondItsLimitsRefused()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        var wanted = new MigrationSettings(MigrationMode.Tunnelled, CopyStorage: false, TimeSpan.FromMinutes(5));

        TrustedPool.Expect(await pool.Get<ChangeMigration>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, wanted), pool.Ct));
        var refused = await pool.Get<ChangeMigration>().ExecuteAsync(TrustedPool.Administrator, new(pool.Cluster, wanted with { Timeout = TimeSpan.FromSeconds(59) }), pool.Ct);

        Assert.Equal(("cluster.migration.timeout", "timeout"), (refused.Refusal?.Code, refused.Refusal?.Field));
        await using var db = pool.Database();
        Assert.Equal(wanted, (await db.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct)).Migration);
        Assert.Contains("virtual machines move direct → tunnelled, disks are copied along yes → no, a move is given up after 1 h → 5 min", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_WithoutPermission_AreDenied()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);

        Assert.Equal("access.denied", (await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Operator, new(pool.Cluster, Evacuate), pool.Ct)).Refusal?.Code);
        Assert.Equal("access.denied", (await pool.Get<ChangeMigration>().ExecuteAsync(TrustedPool.Auditor, new(pool.Cluster, MigrationSettings.Default), pool.Ct)).Refusal?.Code);
        Assert.Equal("cluster.not_found", (await pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(Guid.NewGuid(), Evacuate), pool.Ct)).Refusal?.Code);
    }

    [Theory]
    [InlineData(2, 34, 2)]
    [InlineData(4, 34, 2)]
    [InlineData(12, 34, 5)]
    [InlineData(100, 34, 34)]
    public void GuardLimit_IsTheLargerOfShareAndHosts(int hosts, int share, int limit) =>
        Assert.Equal(limit, (ReactionPolicy.Default with { GuardShare = share, GuardHosts = 2 }).GuardLimit(hosts));

    [Fact]
    public void Sentences_SayWhatWillHappen()
    {
        var words = ReactionWords.Sentences(Evacuate with { Fallback = EvacuationFallback.Pause, ReleaseAfter = TimeSpan.FromHours(1) }, hosts: 12);

        Assert.Contains("The host is in quarantine, taking no virtual machine that requires trust, until it has been trusted again for 1 h, or a person releases it.", words);
        Assert.Contains("If it is still untrusted 90 s later, virtual machines that require trust move to trusted hosts, the most important first, 4 at a time.", words);
        Assert.Contains("One that no trusted host takes is paused: its CPUs stop, it stays in the host's memory.", words);
        Assert.Contains("If 5 or more hosts fall within 5 min, nothing moves until a person lets it go on.", words);
        Assert.DoesNotContain(ReactionWords.Sentences(ReactionPolicy.Default, 12), w => w.Contains("move to trusted hosts", StringComparison.Ordinal));
    }
}
