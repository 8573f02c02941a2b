using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>A server that keeps what is approved here.</summary>
public sealed class PublishingTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task NotPublishedYet_TheServersWordDoesNotCount()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await served.VerifyAsync();
        var row = await served.Pool.RowAsync(Host);
        Assert.Equal((Verdict.None, "being published to keylime-a"), (row.Verdict, row.Reason));

        await served.PublishAsync();
        await served.VerifyAsync();
        await served.VerifyAsync();

        Assert.Equal(PublicationState.Verified, (await served.PublicationAsync()).State);
        Assert.NotEmpty(served.Script.Policies);
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task Published_EvidenceFromBefore_DoesNotCount()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await served.VerifyAsync();
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await served.PublishAsync();
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await served.PollAsync();
        Assert.Equal(Verdict.None, (await served.Pool.RowAsync(Host)).Verdict);

        await served.VerifyAsync();
        Assert.Equal(Verdict.Trusted, (await served.Pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task ServerSaysYesAndKeepsSomethingElse_IsToldAndPutBack()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        served.Script.IgnoresWrites = true;

        await RunAsync(served, served.PublishAsync());

        var publication = await served.PublicationAsync();
        Assert.Equal(PublicationState.Failed, publication.State);
        Assert.Contains("keeps something else", publication.Sentence, StringComparison.Ordinal);
        Assert.Empty(served.Script.Policies);
        await served.VerifyAsync();
        Assert.NotEqual(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task WritingFailsHalfway_WhatWasThereIsPutBack()
    {
        await using var served = await PublishedAsync();
        var before = served.Script.Policies.ToDictionary();
        await using (var db = served.Pool.Database())
        {
            var number = await db.BaselineRevisions.CountAsync(served.Ct);
            Assert.True(number > 1);
        }

        served.Script.Policies.Clear();
        served.Script.WritesLeft = 1;
        served.Pool.Time.Advance(TimeSpan.FromMinutes(2));
        await served.PublishAsync();
        Assert.Equal(PublicationState.Drifted, (await served.PublicationAsync()).State);

        var begun = TrustedPool.Expect(await served.Pool.Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, served.Pool.Cluster, served.ServerId, served.Ct));
        var stopped = await Assert.ThrowsAsync<ServerException>(() => RunAsync(served, served.Pool.RunAsync(begun)));
        Assert.Contains("disk is full", stopped.Message, StringComparison.Ordinal);
        Assert.Single(served.Script.Policies);

        // Half of it is there and cannot be taken back yet: recovery goes on with that until it can.
        served.Script.WritesLeft = null;
        Assert.Equal(OperationState.Failed, (await served.Pool.RunAsync(begun)).Operation.State);
        Assert.Empty(served.Script.Policies);
        Assert.Equal(PublicationState.Failed, (await served.PublicationAsync()).State);

        await served.Pool.RunAsync(TrustedPool.Expect(await served.Pool.Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, served.Pool.Cluster, served.ServerId, served.Ct)));
        Assert.Equal(before, served.Script.Policies.ToDictionary());
    }

    [Fact]
    public async Task EditedBehindOurBack_IsAnAlarm_TrustEndsAtOnce_AndIsNotWrittenOver()
    {
        await using var served = await PublishedAsync();
        var revision = (await served.Pool.RowAsync(Host)).PolicyRevision;
        var key = served.Script.Policies.Keys.First();
        served.Script.Policies[key] = "anything goes";
        served.Pool.Time.Advance(PublicationWatch.LookEvery);

        await served.PublishAsync();

        Assert.Equal((PublicationState.Drifted, "anything goes"), ((await served.PublicationAsync()).State, served.Script.Policies[key]));
        Assert.Contains("service.drifted", await served.Pool.AuditAsync(), StringComparison.Ordinal);
        Assert.Equal(OperationState.Failed, (await served.Pool.CreateAsync("vm")).Operation.State);
        await served.VerifyAsync();
        Assert.Equal(revision, (await served.Pool.RowAsync(Host)).PolicyRevision);

        await served.Pool.RunAsync(TrustedPool.Expect(await served.Pool.Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, served.Pool.Cluster, served.ServerId, served.Ct)));
        await served.VerifyAsync();
        await served.VerifyAsync();
        Assert.Equal(OperationState.Succeeded, (await served.Pool.CreateAsync("vm")).Operation.State);
    }

    [Fact]
    public async Task Drift_IsToldOnce()
    {
        await using var served = await PublishedAsync();
        served.Script.Policies[served.Script.Policies.Keys.First()] = "anything goes";
        for (var i = 0; i < 4; i++)
        {
            served.Pool.Time.Advance(PublicationWatch.LookEvery);
            await served.PublishAsync();
        }

        await using var db = served.Pool.Database();
        Assert.Equal(1, await db.AuditEntries.CountAsync(a => a.Event == "service.drifted", served.Ct));
    }

    [Fact]
    public async Task Retired_IsTakenFromTheServer_BeforeItsWordCountsAgain()
    {
        await using var served = await PublishedAsync();
        await using var db = served.Pool.Database();
        var another = ApprovedFirmware(served, db);
        await served.Pool.ApproveAsync("another firmware", BaselineKinds.Firmware, await another);
        await served.PublishAsync();
        var approved = await db.BaselineRevisions.Where(r => r.State == RevisionState.Approved)
            .Join(db.Baselines.Where(b => b.Kind == BaselineKinds.Firmware), r => r.BaselineId, b => b.Id, (r, b) => new { r.Id, b.Name }).ToListAsync(served.Ct);
        TrustedPool.Expect(await served.Pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(approved[0].Id), served.Ct));

        await served.VerifyAsync();
        Assert.Equal(OperationState.Failed, (await served.Pool.CreateAsync("vm")).Operation.State);
        await served.PublishAsync();

        Assert.DoesNotContain($"policy/{approved[0].Name}/{served.Pool.Cluster:N}", served.Script.Policies.Keys);
        Assert.Contains($"policy/{approved[1].Name}/{served.Pool.Cluster:N}", served.Script.Policies.Keys);
        await served.VerifyAsync();
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task WhatCannotBeSaidThere_IsRefusedWithTheReason()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        served.Script.CannotSay = Refusal.Conflict("publish.optional", "Baseline x has optional events.", "Write one without.");

        await served.PublishAsync();
        await served.VerifyAsync();

        var publication = await served.PublicationAsync();
        Assert.Equal((PublicationState.Refused, "Baseline x has optional events."), (publication.State, publication.Sentence));
        Assert.Contains("optional events", (await served.Pool.RowAsync(Host)).Findings, StringComparison.Ordinal);
    }

    [Fact]
    public async Task KindWithoutBaseline_IsNoConditionThere_SoNobodyIsTrusted()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await using var db = served.Pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == served.Pool.Cluster, served.Ct);
        TrustedPool.Expect(await served.Pool.Get<ChangeTrustPolicy>().ExecuteAsync(
            TrustedPool.Administrator, new(cluster.Id, cluster.Policy with { RequiredKinds = cluster.Policy.RequiredKinds | BaselineKinds.Runtime }, cluster.PolicyRevision), served.Ct));

        await served.PublishAsync();
        await served.VerifyAsync();

        Assert.Equal(PublicationState.Refused, (await served.PublicationAsync()).State);
        Assert.Equal(Verdict.None, (await served.Pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task ServerReplacedByAnother_IsPublishedTo_AndNoAlarmOfEditing()
    {
        await using var served = await PublishedAsync();
        var before = served.Script.Policies.ToDictionary();
        var moved = ServedPool.Words("keylime-a", "https://elsewhere.example.com:8881");
        var change = TrustedPool.Expect(await served.Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(served.ServerId, 1, moved), served.Ct));
        TrustedPool.Expect(await served.Pool.Get<DecideServerChange>().ConfirmAsync(TrustedPool.Approver, served.ServerId, change.ProposalId!.Value, served.Ct));
        served.Script.Policies.Clear();

        await served.PublishAsync();

        Assert.Equal(before, served.Script.Policies.ToDictionary());
        Assert.Equal(PublicationState.Verified, (await served.PublicationAsync()).State);
        Assert.DoesNotContain("service.drifted", await served.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SameServer_WhoseNameIsNotLookedAtAnyMore_IsStillWatchedForEditing()
    {
        await using var served = await PublishedAsync();
        var words = ServedPool.Words("keylime-a");
        var change = TrustedPool.Expect(await served.Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(served.ServerId, 1, words with { Endpoint = words.Endpoint with { ChecksName = false } }), served.Ct));
        TrustedPool.Expect(await served.Pool.Get<DecideServerChange>().ConfirmAsync(TrustedPool.Approver, served.ServerId, change.ProposalId!.Value, served.Ct));
        served.Script.Policies[served.Script.Policies.Keys.First()] = "anything goes";

        await served.PublishAsync();

        Assert.Equal(PublicationState.Drifted, (await served.PublicationAsync()).State);
    }

    [Fact]
    public async Task UndoingOnePolicyFails_TheOthersArePutBackAllTheSame()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        served.Script.OnWrite = (key, content) =>
        {
            if (key.StartsWith("host/", StringComparison.Ordinal) || (content is null && key == served.Script.Written[1]))
            {
                throw Refused();
            }
        };

        await Assert.ThrowsAsync<ServerException>(() => RunAsync(served, served.PublishAsync()));
        Assert.Equal([served.Script.Written[1]], served.Script.Policies.Keys);

        served.Script.OnWrite = null;
        await served.PublishAsync();
        Assert.Empty(served.Script.Policies);
    }

    [Fact]
    public async Task UndoingThatTheServerOnlySaysYesTo_IsNotBelieved()
    {
        await using var served = await PublishedAsync();
        foreach (var one in served.Script.Policies.Keys)
        {
            served.Script.Policies[one] = "what was there";
        }

        served.Script.OnWrite = (key, content) =>
        {
            if (key.StartsWith("host/", StringComparison.Ordinal) && content is not null)
            {
                served.Script.IgnoresWrites = true;
                throw Refused();
            }
        };
        var begun = TrustedPool.Expect(await served.Pool.Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, served.Pool.Cluster, served.ServerId, served.Ct));
        var stopped = await Assert.ThrowsAsync<ServerException>(() => RunAsync(served, served.Pool.RunAsync(begun)));
        Assert.Contains("said yes, and keeps something else", stopped.Message, StringComparison.Ordinal);

        (served.Script.OnWrite, served.Script.IgnoresWrites) = (null, false);
        await served.Pool.RunAsync(begun);
        Assert.All(served.Script.Policies.Values, v => Assert.Equal("what was there", v));
    }

    [Fact]
    public async Task UndoingWhatAnAttesterHad_ThatSomebodyTookAway_EndsAllTheSame()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        served.Script.OnWrite = (key, content) =>
        {
            if (key == "host/there-kvm-a02")
            {
                throw Refused();
            }

            if (content is null && key.StartsWith("host/", StringComparison.Ordinal))
            {
                served.Script.Policies.TryRemove(key, out _);
                throw new ServerException(ServerFault.NothingThere, "It knows no such attester.", "Enrol it.");
            }
        };

        await RunAsync(served, served.PublishAsync());

        Assert.Equal(PublicationState.Failed, (await served.PublicationAsync()).State);
        Assert.Empty(served.Script.Policies);
    }

    [Fact]
    public async Task PortalDiesBetweenRemovalAndEnrolment_TheAttesterIsEnrolledAnewFromWhatWasKept()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        served.Script.EnrolsAnew = true;
        using var died = new CancellationTokenSource();
        served.Script.OnRemoved = () =>
        {
            died.Cancel();
            died.Token.ThrowIfCancellationRequested();
        };
        await served.Pool.Get<PublicationWatch>().LookAsync(served.Ct);
        await using (var db = served.Pool.Database())
        {
            var id = (await db.Publications.SingleAsync(served.Ct)).OperationId!.Value;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => served.Pool.Get<OperationRunner>().RunAsync(id, died.Token));
        }

        Assert.Single(served.Script.Away);
        served.Script.OnRemoved = null;
        await served.Pool.RestartAsync();
        await served.PublishAsync();

        Assert.Empty(served.Script.Away);
        Assert.Equal(PublicationState.Verified, (await served.PublicationAsync()).State);
        Assert.Equal(3, served.Script.Policies.Keys.Count(k => k.StartsWith("host/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Approved_WhatHostsRunThatFailed_HasThemVerifiedAgain_Once()
    {
        await using var served = await PublishedAsync();
        served.Script["there-" + Host] = Doing.Mismatching;
        served.Script.GaveUp.UnionWith(["there-" + Host, "there-kvm-a02", "somebody-elses"]);
        await served.PollAsync();
        await using var db = served.Pool.Database();
        await served.Pool.ApproveAsync("repaired firmware", BaselineKinds.Firmware, await ApprovedFirmware(served, db));

        await served.PublishAsync();

        Assert.Equal((1, false), (served.Script.Reactivations, served.Script.GaveUp.Contains("there-" + Host)));
        served.Pool.Time.Advance(PublicationWatch.LookEvery);
        await served.PublishAsync();
        Assert.Equal(1, served.Script.Reactivations);
    }

    private static ServerException Refused() => new(ServerFault.Failed, "It takes no change of that.", "Look at its log.");

    private static async Task<BaselineContent> ApprovedFirmware(ServedPool served, PortalDbContext db)
    {
        var text = await db.BaselineRevisions.Join(db.Baselines.Where(b => b.Kind == BaselineKinds.Firmware), r => r.BaselineId, b => b.Id, (r, b) => r.Content).FirstAsync(served.Ct);
        return BaselineContent.Parse(text);
    }

    private static async Task<ServedPool> PublishedAsync()
    {
        var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await served.PublishAsync();
        await served.VerifyAsync();
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        return served;
    }

    /// <summary>Lets the test's time pass until something is done that waits for it.</summary>
    private static async Task RunAsync(ServedPool served, Task work)
    {
        while (!work.IsCompleted)
        {
            served.Pool.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(work, Task.Delay(5, served.Ct));
        }

        await work;
    }
}
