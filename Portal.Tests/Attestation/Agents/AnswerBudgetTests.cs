using Portal.Core.Attestation.BuiltIn.Agents;

namespace Portal.Tests.Attestation.Agents;

/// <summary>Long answers share what memory there is for them.</summary>
public sealed class AnswerBudgetTests
{
    private const long Megabyte = 1 << 20;

    [Fact]
    public void TryGrowTo_OthersHoldAll_IsRefusedUntilTheyGiveBack()
    {
        var budget = new AnswerBudget(8 * Megabyte);
        using var one = budget.Take();
        using var two = budget.Take();

        Assert.True(one.TryGrowTo(6 * Megabyte));
        Assert.True(two.TryGrowTo(2 * Megabyte));
        Assert.False(two.TryGrowTo(2 * Megabyte + 1));
        one.Dispose();
        Assert.True(two.TryGrowTo(8 * Megabyte));
        two.Dispose();
        two.Dispose();

        Assert.Equal(0, budget.Held);
    }

    [Fact]
    public void TryGrowTo_OrdinaryAnswer_TakesNothing()
    {
        var budget = new AnswerBudget(0);
        using var share = budget.Take();

        Assert.True(share.TryGrowTo(0));
        Assert.True(share.TryGrowTo(-Megabyte));
        Assert.False(share.TryGrowTo(1));
        Assert.Equal(0, budget.Held);
    }

    [Fact]
    public void TryGrowTo_ManyAtOnce_NeverHoldMoreThanThereIs()
    {
        var budget = new AnswerBudget(16 * Megabyte);
        var most = 0L;

        Parallel.For(0, 2000, _ =>
        {
            using var share = budget.Take();
            for (var size = Megabyte; size <= 5 * Megabyte && share.TryGrowTo(size); size += Megabyte)
            {
                InterlockedMax(ref most, budget.Held);
            }
        });

        // Whoever is refused has added for a moment what it takes off again.
        Assert.InRange(most, 1, (16 + Environment.ProcessorCount * 8) * Megabyte);
        Assert.Equal(0, budget.Held);
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (var known = Interlocked.Read(ref target); value > known;)
        {
            var seen = Interlocked.CompareExchange(ref target, value, known);
            if (seen == known)
            {
                return;
            }

            known = seen;
        }
    }
}
