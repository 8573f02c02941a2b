using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Audit;

namespace Portal.Tests.Audit;

public sealed class AuditChainTests : AuditChainTest
{
    [Fact]
    public async Task Verify_OfAnEmptyAudit_IsIntact() => Assert.Equal((ChainState.Intact, 0), await StateAsync());

    [Fact]
    public async Task Seal_ManyBatches_GivesPlacesWithoutGapAndVerifies()
    {
        await WriteAsync(1203);

        Assert.Equal(1203, await Chain.SealAsync(default));
        Assert.Equal(0, await Chain.SealAsync(default));
        Assert.Equal(Enumerable.Range(1, 1203).Select(i => (long?)i), (await Bench.AuditAsync()).Select(a => a.Sequence));
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
        await Bench.QueryAsync(async db =>
        {
            db.AuditEntries.Add(Row(5));
            return await db.SaveChangesAsync();
        });

        await Chain.SealAsync(default);

        Assert.Equal((ChainState.Intact, 4), await StateAsync());
    }

    [Fact]
    public async Task Verify_AfterARestart_UsesTheSameKey()
    {
        await SealedAsync(3);
        using var restarted = Restarted(Bench.Protection);

        Assert.True((await restarted.VerifyAsync(default)).IsIntact);
    }

    [Fact]
    public async Task Seal_ByTwoReplicasAtOnce_MakesOneChain()
    {
        using var other = Restarted(Bench.Protection);
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
        using var sealing = new AuditSealing(Chain, Bench.Get<Core.Changes.IChangeFeed>(), TimeProvider.System, NullLogger<AuditSealing>.Instance);
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

    // Ids were moved to make room: seal the rows anew under their new ids.
    private async Task RebuildAsync()
    {
        await SqlAsync("UPDATE AuditEntries SET Sequence = NULL, Seal = NULL");
        await SqlAsync("DELETE FROM Stamps WHERE Name = 'audit.head'");
        await Chain.SealAsync(default);
    }
}
