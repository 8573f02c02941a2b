using Microsoft.Extensions.Time.Testing;
using Portal.Core.Attestation;

namespace Portal.Tests.Attestation;

public sealed class AskingSlotsTests
{
    private readonly FakeTimeProvider time = new();
    private readonly AskingSlots slots;

    public AskingSlotsTests() => slots = new AskingSlots(time);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Enter_WhenAllSlotsAreTaken_ServesTheMostUrgentFirst()
    {
        var held = await FillAsync(AskingSlots.Prompt, isSlow: false);
        var many = slots.EnterAsync(false, Urgency.Many, Ct).AsTask();
        var turn = slots.EnterAsync(false, Urgency.Turn, Ct).AsTask();
        var machine = slots.EnterAsync(false, Urgency.MachineWaits, Ct).AsTask();

        held[0].Dispose();
        await machine.WaitAsync(Ct);
        Assert.False(turn.IsCompleted || many.IsCompleted);
        held[1].Dispose();
        await turn.WaitAsync(Ct);
        Assert.False(many.IsCompleted);
        held[2].Dispose();
        await many.WaitAsync(Ct);
    }

    [Fact]
    public async Task SlowHosts_HoweverManyHang_NeverTakeASlotOfPromptOnes()
    {
        await FillAsync(AskingSlots.Slow, isSlow: true);
        var waiting = slots.EnterAsync(true, Urgency.MachineWaits, Ct).AsTask();

        await FillAsync(AskingSlots.Prompt, isSlow: false);

        Assert.False(waiting.IsCompleted);
    }

    [Fact]
    public async Task PromptSlot_HeldTooLong_GoesToTheNext_AndIsNotGivenBackTwice()
    {
        var held = await FillAsync(AskingSlots.Prompt, isSlow: false);
        var next = slots.EnterAsync(false, Urgency.Many, Ct).AsTask();
        Assert.All(held, slot => Assert.False(slot.WasSlow));

        time.Advance(AskingSlots.PromptWithin);
        using var got = await next.WaitAsync(Ct);

        Assert.All(held, slot => Assert.True(slot.WasSlow));
        held.ForEach(slot => slot.Dispose());
        held.ForEach(slot => slot.Dispose());
        await FillAsync(AskingSlots.Prompt - 1, isSlow: false);
        Assert.False(slots.EnterAsync(false, Urgency.MachineWaits, Ct).IsCompleted);
    }

    [Fact]
    public async Task Overdue_AreBounded_AndTheirPlacesAreUsedAgain()
    {
        var overdue = new List<AskingSlots.Slot>();
        while (overdue.Count < AskingSlots.Overdue)
        {
            overdue.AddRange(await FillAsync(AskingSlots.Prompt, isSlow: false));
            time.Advance(AskingSlots.PromptWithin);
        }

        await FillAsync(AskingSlots.Prompt, isSlow: false);
        var next = slots.EnterAsync(false, Urgency.Turn, Ct).AsTask();
        time.Advance(AskingSlots.PromptWithin);
        Assert.False(next.IsCompleted);

        overdue[0].Dispose();
        time.Advance(AskingSlots.PromptWithin);
        await next.WaitAsync(Ct);
    }

    [Fact]
    public async Task Enter_Cancelled_LosesNoSlot()
    {
        var held = await FillAsync(AskingSlots.Prompt, isSlow: false);
        using var impatient = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var given = slots.EnterAsync(false, Urgency.Turn, impatient.Token).AsTask();
        var next = slots.EnterAsync(false, Urgency.Turn, Ct).AsTask();

        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        held[0].Dispose();

        await next.WaitAsync(Ct);
    }

    private async Task<List<AskingSlots.Slot>> FillAsync(int count, bool isSlow)
    {
        var taken = new List<AskingSlots.Slot>();
        for (var i = 0; i < count; i++)
        {
            taken.Add(await slots.EnterAsync(isSlow, Urgency.Turn, Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Ct));
        }

        return taken;
    }
}
