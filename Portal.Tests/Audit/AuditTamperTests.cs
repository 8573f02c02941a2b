using Portal.Core.Audit;

namespace Portal.Tests.Audit;

/// <summary>Whatever is done to sealed rows, the chain says so and where.</summary>
public sealed class AuditTamperTests : AuditChainTest
{
    [Theory]
    [InlineData("UPDATE AuditEntries SET Sentence = Sentence || '.' WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET At = At + 1 WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Severity = 0 WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET PersonName = 'Bob' WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Subject = 'bob', Issuer = 'idp' WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Detail = NULL WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET TargetId = NULL WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET TargetName = TargetKind, TargetKind = TargetName WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Event = 'e' WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Id = 999 WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Seal = zeroblob(32) WHERE Sequence = 4")]
    [InlineData("UPDATE AuditEntries SET Seal = NULL WHERE Sequence = 4")]
    public async Task Verify_AfterAnyFieldWasEdited_NamesTheFirstBrokenPlace(string tamper)
    {
        await SealedAsync(8);
        await SqlAsync(tamper);

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Edited, 4, 3), (found.State, found.BrokenAt, found.Rows));
    }

    [Fact]
    public async Task Verify_AfterARowWasRemovedFromTheMiddle_NamesItsPlace()
    {
        await SealedAsync(8);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence = 4");

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Removed, 4), (found.State, found.BrokenAt));
    }

    [Fact]
    public async Task Verify_AfterARemovedRowsPlacesWereClosedUp_StillShows()
    {
        await SealedAsync(8);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence = 4");
        await SqlAsync("UPDATE AuditEntries SET Sequence = Sequence - 1 WHERE Sequence > 4");

        Assert.Equal(4, (await Chain.VerifyAsync(default)).BrokenAt);
    }

    [Fact]
    public async Task Verify_AfterRowsChangedPlaces_SaysReordered()
    {
        await SealedAsync(8);
        await SqlAsync("UPDATE AuditEntries SET Sequence = -1 WHERE Sequence = 4");
        await SqlAsync("UPDATE AuditEntries SET Sequence = 4 WHERE Sequence = 6");
        await SqlAsync("UPDATE AuditEntries SET Sequence = 6 WHERE Sequence = -1");

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Reordered, 4), (found.State, found.BrokenAt));
    }

    [Fact]
    public async Task Verify_AfterTheTailWasCutOff_SaysFromWhere()
    {
        await SealedAsync(8);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence > 5");

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Truncated, 6), (found.State, found.BrokenAt));
    }

    [Fact]
    public async Task Verify_AfterTheTailWasUnsealedAndSealedAgain_ShowsTheGap()
    {
        await SealedAsync(8);
        await SqlAsync("UPDATE AuditEntries SET Sequence = NULL, Seal = NULL, Sentence = 'nothing happened' WHERE Sequence > 5");
        await Chain.SealAsync(default);

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Removed, 6), (found.State, found.BrokenAt));
    }

    [Theory]
    [InlineData("DELETE FROM Stamps WHERE Name = 'audit.head'")]
    [InlineData("UPDATE Stamps SET Value = replace(Value, '8:', '5:') WHERE Name = 'audit.head'")]
    [InlineData("UPDATE Stamps SET Value = 'x' WHERE Name = 'audit.head'")]
    public async Task Verify_AfterTheHeadWasTamperedWith_SaysSoAndNothingMoreIsSealed(string tamper)
    {
        await SealedAsync(8);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence > 5");
        await SqlAsync(tamper);
        await WriteAsync(1);

        Assert.Equal(ChainState.HeadLost, (await Chain.VerifyAsync(default)).State);
        Assert.Equal(0, await Chain.SealAsync(default));
    }

    [Fact]
    public async Task Verify_WhenARowClaimsAPlaceBeyondTheHead_SaysForeign()
    {
        await SealedAsync(3);
        await WriteAsync(1);
        await SqlAsync("UPDATE AuditEntries SET Sequence = 4, Seal = zeroblob(32) WHERE Sequence IS NULL");

        var found = await Chain.VerifyAsync(default);

        Assert.Equal((ChainState.Foreign, 4), (found.State, found.BrokenAt));
    }

    [Theory]
    [InlineData("DELETE FROM Stamps WHERE Name = 'audit.key'")]
    [InlineData("UPDATE Stamps SET Value = 'AAAA' WHERE Name = 'audit.key'")]
    public async Task Verify_WithoutTheKey_SaysSoAndMakesNoNewOne(string tamper)
    {
        await SealedAsync(3);
        await SqlAsync(tamper);
        using var restarted = Restarted(Bench.Protection);
        await WriteAsync(1);

        Assert.Equal(0, await restarted.SealAsync(default));
        Assert.Equal(ChainState.KeyLost, (await restarted.VerifyAsync(default)).State);
    }

    [Fact]
    public async Task Verify_OfABreak_RaisesOneAlarm()
    {
        await SealedAsync(3);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence = 2");

        await Chain.VerifyAsync(default);
        await Chain.VerifyAsync(default);

        Assert.Equal("audit.chain.broken", Assert.Single(await Bench.AuditAsync(), a => a.Severity is AuditSeverity.Alarm).Event);
    }
}
