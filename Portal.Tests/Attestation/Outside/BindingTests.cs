using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>A server's word counts for a host only under the name, and with the policies, that were confirmed for it.</summary>
public sealed class BindingTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task HostBoundAnew_WhereThePortalKeepsPolicies_CountsOnlyOnceItsOwnAreCompared()
    {
        await using var served = await PublishedAsync();
        await BindAsync(served, "another-agent");

        await served.VerifyAsync();
        await served.VerifyAsync();
        var row = await served.Pool.RowAsync(Host);
        Assert.Equal((Verdict.None, "being published to keylime-a"), (row.Verdict, row.Reason));
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync("kvm-a02"));

        await served.PublishAsync();
        Assert.Contains("host/another-agent", served.Script.Policies.Keys);
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task HostBoundForTheFirstTime_WhereThePortalKeepsPolicies_CountsOnlyOnceItsOwnAreCompared()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await BindAsync(served, null);
        await served.PublishAsync();
        await BindAsync(served, "there-" + Host);
        served.Script.Policies["host/there-" + Host] = "anything goes";

        await served.VerifyAsync();
        await served.VerifyAsync();

        Assert.Equal(Verdict.None, (await served.Pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task HostBoundAnew_EvidenceFromBeforeItsPoliciesWereCompared_DoesNotCount()
    {
        await using var served = await PublishedAsync();
        await BindAsync(served, "another-agent");
        served.Script.Policies["host/another-agent"] = served.Pool.Cluster.ToString();
        await served.VerifyAsync();
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await served.PublishAsync();
        served.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await served.PollAsync();
        Assert.Equal(Verdict.None, (await served.Pool.RowAsync(Host)).Verdict);

        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task HostBoundAnew_WhileWhatIsKeptIsCompared_IsNotTakenForCompared()
    {
        await using var served = await PublishedAsync();
        served.Pool.Time.Advance(PublicationWatch.LookEvery);
        served.Script.OnRead = async key =>
        {
            if (key == "host/there-" + Host)
            {
                served.Script.OnRead = null;
                await BindAsync(served, "another-agent");
            }
        };
        await served.PublishAsync();
        Assert.Null(served.Script.OnRead);

        await served.VerifyAsync();
        await served.VerifyAsync();

        Assert.Equal(Verdict.None, (await served.Pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task HostMovedToAnotherCluster_CountsOnlyOnceComparedThere_AndItsPoliciesGoWithIt()
    {
        await using var served = await PublishedAsync();
        var other = TrustedPool.Expect(await served.Pool.Get<CreateCluster>().ExecuteAsync(TrustedPool.Administrator, new("other", "", TrustLevels.Any | TrustLevels.Trusted, TrustPolicy.Default), served.Ct));
        await served.NameAsync(new ServiceSet(new ServiceChoice(served.ServerId, PolicyKeeper.Portal)), other);
        await served.PublishAsync();
        await served.VerifyAsync();
        TrustedPool.Expect(await served.Pool.Get<MoveHost>().ExecuteAsync(TrustedPool.Administrator, (await served.Pool.HostAsync(Host)).Id, other, served.Ct));

        await served.VerifyAsync();
        Assert.False(await MayRunThereAsync(served, other));

        await served.PublishAsync();
        await served.VerifyAsync();
        await served.VerifyAsync();
        Assert.True(await MayRunThereAsync(served, other));
    }

    [Fact]
    public async Task HostBoundAnew_WhileTheServerIsPolled_IsNotTrustedByWhatItHadBefore()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script["another-agent"] = Doing.Silent;
        served.Pool.Time.Advance(TimeSpan.FromSeconds(10));
        OnceAnswered(served, () => BindAsync(served, "another-agent"));

        await served.PollAsync();

        Assert.Equal(TrustStatus.Unknown, await served.StatusAsync(Host));
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync("kvm-a02"));
    }

    [Fact]
    public async Task HostBoundAnew_WhileTheServerIsPolled_IsNotUntrustedForAnotherMachine()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script["there-" + Host] = Doing.Mismatching;
        OnceAnswered(served, () => BindAsync(served, "another-agent"));

        await served.PollAsync();

        Assert.Equal(TrustStatus.Unknown, await served.StatusAsync(Host));
    }

    [Fact]
    public async Task HostBoundAnew_WhileItIsAskedAbout_IsAskedAboutOnceMoreUnderItsNewName()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        served.Script["another-agent"] = Doing.Mismatching;
        OnceAnswered(served, () => BindAsync(served, "another-agent"));

        var row = await served.Pool.AttestAsync(Host);

        Assert.Equal(Verdict.Untrusted, row.Verdict);
    }

    [Theory]
    [InlineData(ServiceType.OpenAttestation, false)]
    [InlineData(ServiceType.Keylime, true)]
    public async Task OneMachineOfAServer_IsOneHost_WhereTheServerTellsNamesApartByCaseOnly(ServiceType type, bool areTwo)
    {
        await using var served = await ServedPool.StartAsync();
        var endpoint = new ServerEndpoint("https://other.example.com:8443", type == ServiceType.Keylime ? "https://other.example.com:8891" : "", ServedPool.Authority, true);
        var server = TrustedPool.Expect(await served.Pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(new ServerWords("other", type, endpoint, 10, 30), TestCertificates.Client), served.Ct));
        await served.NameAsync(new ServiceSet(new ServiceChoice(server, PolicyKeeper.Server)));
        TrustedPool.Expect(await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(server, (await served.Pool.HostAsync(Host)).Id, "Node.example.com"), served.Ct));

        var second = await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(server, (await served.Pool.HostAsync("kvm-a02")).Id, "nODE.example.com"), served.Ct);

        Assert.Equal(areTwo ? null : "service.host.taken", second.Refusal?.Code);
    }

    private static void OnceAnswered(ServedPool served, Func<Task> then) => served.Script.OnAnswer = () =>
    {
        served.Script.OnAnswer = null;
        return then();
    };

    private static async Task<bool> MayRunThereAsync(ServedPool served, Guid cluster)
    {
        await using var db = served.Pool.Database();
        var revision = await db.Clusters.Where(c => c.Id == cluster).Select(c => c.PolicyRevision).SingleAsync(served.Ct);
        return await db.Hosts.Where(h => h.Name == Host).Where(EffectiveTrust.Of(db, served.Pool.Time.GetUtcNow(), DateTimeOffset.MinValue, revision)).AnyAsync(served.Ct);
    }

    private static async Task BindAsync(ServedPool served, string? name) =>
        TrustedPool.Expect(await served.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(served.ServerId, (await served.Pool.HostAsync(Host)).Id, name), served.Ct));

    private static async Task<ServedPool> PublishedAsync()
    {
        var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        await served.PublishAsync();
        await served.VerifyAsync();
        await served.VerifyAsync();
        Assert.Equal(TrustStatus.Trusted, await served.StatusAsync(Host));
        return served;
    }
}
