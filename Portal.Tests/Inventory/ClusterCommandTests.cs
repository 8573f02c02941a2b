using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Tests.Inventory;

public sealed class ClusterCommandTests : IAsyncLifetime
{
    private const TrustLevels Both = TrustLevels.Any | TrustLevels.Trusted;

    private ClusterBench bench = null!;

    public async ValueTask InitializeAsync() => bench = await ClusterBench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Create_WithTheDefaultPolicy_CommitsWithItsAuditRowAndTellsIt()
    {
        var made = await bench.Get<CreateCluster>().ExecuteAsync(ClusterBench.Admin, new(" prod-a ", "Production", Both, TrustPolicy.Default), default);

        var row = await bench.Get<ClusterDirectory>().FindAsync(made.Value, default);
        Assert.Equal(("prod-a", "Production", TrustPolicy.Default), (row!.Cluster.Name, row.Cluster.Description, row.Cluster.Policy));
        var told = Assert.Single(await bench.AuditAsync());
        Assert.Equal(("cluster.created", made.Value, "Dan"), (told.Event, told.TargetId, told.PersonName));
        Assert.Contains(bench.Heard, c => c.Topic == ChangeTopic.Cluster && c.Ids.Contains(made.Value));
    }

    [Theory]
    [InlineData("", "cluster.name.empty")]
    [InlineData("a b", "cluster.name.characters")]
    [InlineData("-a", "cluster.name.characters")]
    [InlineData("ä", "cluster.name.characters")]
    public async Task Create_WithABadName_IsRefusedAtTheField(string name, string code)
    {
        var refusal = (await bench.Get<CreateCluster>().ExecuteAsync(ClusterBench.Admin, new(name, "", Both, TrustPolicy.Default), default)).Refusal!;

        Assert.Equal((code, "name"), (refusal.Code, refusal.Field));
        Assert.Equal(code, Assert.Single(await bench.AuditAsync()).Event);
    }

    [Fact]
    public async Task Create_WithALooserPolicyThanTheDefault_IsNoWayRoundTheSecondPerson()
    {
        var refusal = (await bench.Get<CreateCluster>().ExecuteAsync(ClusterBench.Admin, new("lab", "", Both, TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware }), default)).Refusal!;

        Assert.Equal(("cluster.policy.looser_than_default", "requiredKinds"), (refusal.Code, refusal.Field));
        Assert.Empty(await bench.Get<ClusterDirectory>().ListAsync(default));
    }

    [Fact]
    public async Task Create_WhenTheNameIsTakenBetweenLookAndWrite_IsRefused()
    {
        bench.Moment.Once(() => bench.ClusterAsync("prod-a"));

        var outcome = await bench.Get<CreateCluster>().ExecuteAsync(ClusterBench.Admin, new("prod-a", "", Both, TrustPolicy.Default), default);

        Assert.Equal("cluster.name.taken", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Create_ByAnOperator_IsRefusedAndAudited()
    {
        Assert.Equal("access.denied", (await bench.Get<CreateCluster>().ExecuteAsync(ClusterBench.Operator, new("x", "", Both, TrustPolicy.Default), default)).Refusal?.Code);

        Assert.Equal(AuditSeverity.Refusal, Assert.Single(await bench.AuditAsync()).Severity);
    }

    [Fact]
    public async Task Edit_ChangesWordsAndLevels_AndLeavesThePolicyRevisionAlone()
    {
        var cluster = await bench.ClusterAsync();

        var outcome = await bench.Get<EditCluster>().ExecuteAsync(ClusterBench.Admin, new(cluster.Id, "prod-1", "First", TrustLevels.Trusted), default);

        Assert.True(outcome.Succeeded);
        var now = await bench.ReadAsync(cluster);
        Assert.Equal(("prod-1", "First", TrustLevels.Trusted, 1L), (now.Name, now.Description, now.AllowedLevels, now.PolicyRevision));
        Assert.Contains("new virtual machines may have the trust level trusted only", (await bench.AuditAsync())[^1].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Edit_WithoutAnyLevel_IsRefused()
    {
        var cluster = await bench.ClusterAsync();

        Assert.Equal("cluster.levels", (await bench.Get<EditCluster>().ExecuteAsync(ClusterBench.Admin, new(cluster.Id, AllowedLevels: TrustLevels.None), default)).Refusal?.Code);
    }

    [Fact]
    public async Task Edit_ThatChangesNothing_WritesNothing()
    {
        var cluster = await bench.ClusterAsync();

        Assert.True((await bench.Get<EditCluster>().ExecuteAsync(ClusterBench.Admin, new(cluster.Id, cluster.Name), default)).Succeeded);
        Assert.Empty(await bench.AuditAsync());
    }

    [Fact]
    public async Task Delete_OfAClusterWithHosts_NamesHowMany()
    {
        var cluster = await bench.ClusterAsync();
        await bench.HostAsync(cluster);

        var refusal = (await bench.Get<DeleteCluster>().ExecuteAsync(ClusterBench.Admin, cluster.Id, default)).Refusal!;

        Assert.Equal("cluster.not_empty", refusal.Code);
        Assert.Contains("1 host and 0 virtual machines", refusal.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delete_WhenAHostCameBetweenLookAndWrite_IsRefused()
    {
        var cluster = await bench.ClusterAsync();
        bench.Moment.Once(() => bench.HostAsync(cluster));

        Assert.Equal("cluster.not_empty", (await bench.Get<DeleteCluster>().ExecuteAsync(ClusterBench.Admin, cluster.Id, default)).Refusal?.Code);
    }

    [Fact]
    public async Task Delete_OfAnEmptyCluster_TakesItsProposalWithIt()
    {
        var cluster = await bench.ClusterAsync();
        await bench.ChangeAsync(ClusterBench.Admin, cluster, TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(1) });

        Assert.True((await bench.Get<DeleteCluster>().ExecuteAsync(ClusterBench.Admin, cluster.Id, default)).Succeeded);
        Assert.Null(await bench.ProposalAsync(cluster));
        Assert.Equal("cluster.deleted", (await bench.AuditAsync())[^1].Event);
    }

    [Fact]
    public async Task Delete_OfNoCluster_IsNotFound() =>
        Assert.Equal("cluster.not_found", (await bench.Get<DeleteCluster>().ExecuteAsync(ClusterBench.Admin, Guid.NewGuid(), default)).Refusal?.Code);
}
