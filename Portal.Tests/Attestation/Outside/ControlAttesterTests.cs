using Portal.Core.Attestation.Outside;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Reactivating and removing attesters of a server.</summary>
public sealed class ControlAttesterTests
{
    private const string Name = "there-kvm-a01";

    [Fact]
    public async Task Reactivate_EndsOnlyWithProof()
    {
        await using var served = await ServedPool.StartAsync();
        served.Script.GaveUp.Add(Name);
        var operation = TrustedPool.Expect(await served.Pool.Get<ControlAttester>().ReactivateAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct));
        var running = served.Pool.RunAsync(operation);
        await Task.WhenAny(running, Task.Delay(200, served.Ct));
        Assert.False(running.IsCompleted);
        while (!running.IsCompleted)
        {
            served.Pool.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(running, Task.Delay(5, served.Ct));
        }

        Assert.Equal((OperationState.Succeeded, 1), ((await running).Operation.State, served.Script.Reactivations));
    }

    [Fact]
    public async Task Reactivate_WhereItIsNotNeeded_IsRefused_ForItWouldBeVerifiedTwice()
    {
        await using var served = await ServedPool.StartAsync();
        var operation = TrustedPool.Expect(await served.Pool.Get<ControlAttester>().ReactivateAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct));

        var ended = await served.Pool.RunAsync(operation);

        Assert.Equal(("service.attester.not_needed", 0), (ended.Operation.FailureCode, served.Script.Reactivations));
    }

    [Fact]
    public async Task Reactivate_AskedForTwice_IsOneOperation_AndTheServerIsToldOnce()
    {
        await using var served = await ServedPool.StartAsync();
        served.Script.GaveUp.UnionWith([Name, "there-kvm-a02"]);
        var control = served.Pool.Get<ControlAttester>();

        var asked = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => control.ReactivateAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct)));
        var other = TrustedPool.Expect(await control.ReactivateAsync(TrustedPool.Administrator, served.ServerId, "there-kvm-a02", served.Ct));

        var one = Assert.Single(asked.Select(TrustedPool.Expect).Distinct());
        Assert.NotEqual(one, other);
        var removal = await control.RemoveAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct);
        Assert.Equal("service.attester.busy", removal.Refusal?.Code);
        var running = served.Pool.RunAsync(one);
        while (!running.IsCompleted)
        {
            served.Pool.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(running, Task.Delay(5, served.Ct));
        }

        Assert.Equal((OperationState.Succeeded, 1), ((await running).Operation.State, served.Script.Reactivations));
        Assert.NotEqual(one, TrustedPool.Expect(await control.ReactivateAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct)));
    }

    [Fact]
    public async Task Remove_EndsOnlyWhenItIsGone()
    {
        await using var served = await ServedPool.StartAsync();
        served.Script.IgnoresRemovals = true;
        var first = await served.Pool.RunAsync(TrustedPool.Expect(await served.Pool.Get<ControlAttester>().RemoveAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct)));
        Assert.Equal("service.attester.still_there", first.Operation.FailureCode);

        served.Script.IgnoresRemovals = false;
        var second = await served.Pool.RunAsync(TrustedPool.Expect(await served.Pool.Get<ControlAttester>().RemoveAsync(TrustedPool.Administrator, served.ServerId, Name, served.Ct)));
        Assert.Equal(OperationState.Succeeded, second.Operation.State);
    }

    [Fact]
    public async Task WhoMayNot_IsRefused()
    {
        await using var served = await ServedPool.StartAsync();
        Assert.Equal("access.denied", (await served.Pool.Get<ControlAttester>().RemoveAsync(TrustedPool.Operator, served.ServerId, Name, served.Ct)).Refusal?.Code);
        Assert.Equal("access.denied", (await served.Pool.Get<ControlAttester>().ReactivateAsync(TrustedPool.Auditor, served.ServerId, Name, served.Ct)).Refusal?.Code);
    }
}
