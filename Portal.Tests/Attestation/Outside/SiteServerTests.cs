using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Publishing to real servers of each kind, end to end: what is approved, what somebody else edits there, and what breaks off halfway.</summary>
public sealed class SiteServerTests
{
    private const string Host = "kvm-a01";

    [Theory]
    [InlineData(SiteKind.Keylime)]
    [InlineData(SiteKind.OatFirst)]
    [InlineData(SiteKind.OatSecond)]
    public async Task EditedBehindOurBack_Alarms_StartsNothing_MovesNothing_UntilItIsPublishedAgain(SiteKind kind)
    {
        await using var site = await SitePool.StartAsync(kind);
        await site.PublishAsync();
        await site.VerifyAsync();
        Assert.Equal((PublicationState.Verified, TrustStatus.Trusted), ((await site.PublicationAsync()).State, await site.StatusAsync(Host)));
        Assert.Equal(OperationState.Succeeded, (await site.RunAsync(AskedAsync(site, "before"))).Operation.State);
        var (running, kept) = (await site.Pool.VmAsync("before"), site.Kept());

        site.EditBehindOurBack();
        Assert.NotEqual(kept, site.Kept());
        site.Pool.Time.Advance(PublicationWatch.LookEvery);
        await site.PublishAsync();

        Assert.Equal(PublicationState.Drifted, (await site.PublicationAsync()).State);
        Assert.NotEqual(kept, site.Kept());
        await using var db = site.Pool.Database();
        Assert.Equal(1, await db.AuditEntries.CountAsync(a => a.Event == "service.drifted", site.Ct));
        await site.VerifyAsync();
        Assert.NotEqual(OperationState.Succeeded, (await site.RunAsync(AskedAsync(site, "meanwhile"))).Operation.State);
        var still = await site.Pool.VmAsync("before");
        Assert.Equal((VirtualMachineStatus.Up, running!.HostId), (still!.Status, still.HostId));

        var again = TrustedPool.Expect(await site.Pool.Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, site.Pool.Cluster, site.ServerId, site.Ct));
        Assert.Equal(OperationState.Succeeded, (await site.RunAsync(site.Pool.RunAsync(again))).Operation.State);
        Assert.Equal(kept, site.Kept());
        await site.VerifyAsync();
        Assert.Equal(OperationState.Succeeded, (await site.RunAsync(AskedAsync(site, "after"))).Operation.State);
    }

    [Theory]
    [InlineData(SiteKind.Keylime)]
    [InlineData(SiteKind.OatFirst)]
    [InlineData(SiteKind.OatSecond)]
    public async Task ChangesFailHalfway_EveryPolicyIsPutBackAsItWas(SiteKind kind)
    {
        await using var site = await SitePool.StartAsync(kind);
        await site.PublishAsync();
        var kept = site.Kept();
        await site.Pool.ApproveAsync("hypervisor two", BaselineKinds.Hypervisor, SitePool.Content(18, SitePool.Other));
        await RetireAsync(site, "hypervisor");

        // Keylime: an agent is removed and cannot be enrolled again. OpenAttestation: a white list is made and stays without rows.
        site.Server.ChangesLeft = kind == SiteKind.Keylime ? 1 : 2;
        await Assert.ThrowsAsync<ServerException>(() => site.PublishAsync());
        Assert.NotEqual(kept, site.Kept());
        site.Server.ChangesLeft = null;
        await using var db = site.Pool.Database();
        var operation = (await db.Operations.AsNoTracking().Where(o => o.Kind == PublicationWork.Kind).OrderBy(o => o.CreatedAt).ThenBy(o => o.Id).LastAsync(site.Ct)).Id;

        Assert.Equal(OperationState.Failed, (await site.RunAsync(site.Pool.RunAsync(operation))).Operation.State);

        Assert.Equal(kept, site.Kept());
        Assert.Equal(PublicationState.Failed, (await site.PublicationAsync()).State);
        await site.VerifyAsync();
        Assert.NotEqual(TrustStatus.Trusted, await site.StatusAsync(Host));
    }

    private static Task<OperationView> AskedAsync(SitePool site, string name) => WhileVerifiedAsync(site, site.Pool.CreateAsync(name, start: true));

    /// <summary>The gate may wait for evidence that is newer than its question.</summary>
    private static async Task<OperationView> WhileVerifiedAsync(SitePool site, Task<OperationView> work)
    {
        while (!work.IsCompleted)
        {
            site.Site.Verify();
            await Task.WhenAny(work, Task.Delay(10, site.Ct));
        }

        return await work;
    }

    private static async Task RetireAsync(SitePool site, string name)
    {
        await using var db = site.Pool.Database();
        var id = await db.BaselineRevisions.Where(r => r.State == RevisionState.Approved).Join(db.Baselines.Where(b => b.Name == name), r => r.BaselineId, b => b.Id, (r, b) => r.Id).SingleAsync(site.Ct);
        TrustedPool.Expect(await site.Pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(id), site.Ct));
    }
}
