using CsCheck;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Storage;
using Portal.Tests.Baselines;

namespace Portal.Tests.Audit;

public sealed class AuditChainTests : IAsyncLifetime
{
    private Bench bench = null!;

    private AuditChain Chain => bench.Get<AuditChain>();

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Verify_OfAnEmptyAudit_IsIntact() => Assert.Equal((ChainState.Intact, 0), await StateAsync());

    [Fact]
    public async Task Seal_ManyBatches_GivesPlacesWithoutGapAndVerifies()
    {
        await WriteAsync(1203);

        Assert.Equal(1203, await Chain.SealAsync(default));
        Assert.Equal(0, await Chain.SealAsync(default));
        Assert.Equal(Enumerable.Range(1, 1203).Select(i => (long?)i), (await bench.AuditAsync()).Select(a => a.Sequence));
        Assert.Equal((ChainState.Intact, 1203), await StateAsync());
    }

    [Fact]
    public async Task Seal_AfterMoreWasWritten_GoesOnWithTheChain()
    {
        await SealedAsync(3);
        await SealedAsync(2);

        Assert.Equal((ChainState.Intact, 5), await StateAsync());
    }

    [Fact]
    public async Task Verify_BeforeNewRowsAreSealed_IsIntact()
    {
        await SealedAsync(3);
        await WriteAsync(2);

        Assert.Equal((ChainState.Intact, 3), await StateAsync());
    }

    [Fact]
    public async Task Verify_AfterARowCommittedLateWithALowerId_IsIntact()
    {
        await SealedAsync(3);
        await SqlAsync("UPDATE AuditEntries SET Id = Id + 10");
        await RebuildAsync();
        await bench.QueryAsync(async db =>
        {
            db.AuditEntries.Add(Row(5));
            return await db.SaveChangesAsync();
        });

        await Chain.SealAsync(default);

        Assert.Equal((ChainState.Intact, 4), await StateAsync());
    }

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
        using var restarted = Restarted(bench.Protection);
        await WriteAsync(1);

        Assert.Equal(0, await restarted.SealAsync(default));
        Assert.Equal(ChainState.KeyLost, (await restarted.VerifyAsync(default)).State);
    }

    [Fact]
    public async Task Verify_AfterARestart_UsesTheSameKey()
    {
        await SealedAsync(3);
        using var restarted = Restarted(bench.Protection);

        Assert.True((await restarted.VerifyAsync(default)).IsIntact);
    }

    [Fact]
    public async Task Verify_OfABreak_RaisesOneAlarm()
    {
        await SealedAsync(3);
        await SqlAsync("DELETE FROM AuditEntries WHERE Sequence = 2");

        await Chain.VerifyAsync(default);
        await Chain.VerifyAsync(default);

        Assert.Equal("audit.chain.broken", Assert.Single(await bench.AuditAsync(), a => a.Severity is AuditSeverity.Alarm).Event);
    }

    [Fact]
    public async Task Seal_ByTwoReplicasAtOnce_MakesOneChain()
    {
        using var other = Restarted(bench.Protection);
        for (var round = 0; round < 10; round++)
        {
            await WriteAsync(20);
            await Task.WhenAll(Task.Run(() => Chain.SealAsync(default)), Task.Run(() => other.SealAsync(default)));
        }

        await Chain.SealAsync(default);
        Assert.Equal((ChainState.Intact, 200), await StateAsync());
    }

    [Fact]
    public async Task Sealing_InTheBackground_SealsAndVerifies()
    {
        await WriteAsync(5);
        using var sealing = new AuditSealing(Chain, bench.Get<Core.Changes.IChangeFeed>(), TimeProvider.System, NullLogger<AuditSealing>.Instance);
        var deadline = DateTime.UtcNow.AddSeconds(30);
        await sealing.StartAsync(default);

        while (Chain.Last is not { IsIntact: true, Rows: 5 } && DateTime.UtcNow < deadline)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }

        await sealing.StopAsync(default);
        Assert.Equal(5, Chain.Last?.Rows);
    }

    [Fact]
    public void Seals_OfRowsThatDifferInAnyFieldBoundary_Differ() =>
        Gen.Select(Gen.String[0, 4], Gen.String[0, 4], Gen.String[0, 4], Gen.String[0, 4]).Where((a, b, c, d) => a != c || b != d).Sample((a, b, c, d) =>
            Assert.NotEqual(Seal(a, b), Seal(c, d)));

    private static byte[] Seal(string person, string sentence) => AuditSeal.OfRow(new byte[32], 1, AuditSeal.Start, new AuditEntry
    {
        Id = 1,
        At = DateTimeOffset.UnixEpoch,
        Issuer = "i",
        Subject = "s",
        PersonName = person,
        Event = "e",
        Severity = AuditSeverity.Notice,
        TargetKind = "k",
        TargetName = "n",
        Sentence = sentence,
    });

    private AuditChain Restarted(IDataProtectionProvider protection) =>
        new(bench.Contexts, new AuditKey(bench.Contexts, protection), bench.Get<AuditLog>(), bench.Time, NullLogger<AuditChain>.Instance);

    private AuditEntry Row(long id) => new()
    {
        Id = id,
        At = bench.Time.GetUtcNow().AddTicks(7),
        Issuer = "idp",
        Subject = "ann",
        PersonName = "Ann",
        Event = "test.happened",
        Severity = AuditSeverity.Refusal,
        TargetKind = "host",
        TargetId = Guid.NewGuid(),
        TargetName = "kvm1",
        Sentence = "Something happened",
        Detail = "{}",
    };

    private Task WriteAsync(int count) => bench.QueryAsync(async db =>
    {
        db.AuditEntries.AddRange(Enumerable.Range(0, count).Select(_ => Row(0)));
        return await db.SaveChangesAsync();
    });

    private async Task SealedAsync(int count)
    {
        await WriteAsync(count);
        await Chain.SealAsync(default);
    }

    private Task SqlAsync(string sql) => bench.QueryAsync(db => db.Database.ExecuteSqlRawAsync(sql));

    // Ids were moved to make room: seal the rows anew under their new ids.
    private async Task RebuildAsync()
    {
        await SqlAsync("UPDATE AuditEntries SET Sequence = NULL, Seal = NULL");
        await SqlAsync("DELETE FROM Stamps WHERE Name = 'audit.head'");
        await Chain.SealAsync(default);
    }

    private async Task<(ChainState State, long Rows)> StateAsync()
    {
        var found = await Chain.VerifyAsync(default);
        return (found.State, found.Rows);
    }
}
