using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Steps;

namespace Portal.Tests.Virtualization;

/// <summary>Where a VM is after a move that was broken off, by what both hosts say.</summary>
public sealed class WhereaboutsTests
{
    private const string Silent = "silent";
    private const string None = "none";

    private static readonly DomainDefinition Definition = new(Guid.Parse("8d4a1b5e-0000-4000-8000-000000000001"), "web-1", 1, 1L << 30, 1L << 30, "default", TrustLevel.Any, null);

    [Theory]
    // It was running.
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Running), None, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Paused), None, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, None, nameof(DomainState.Running), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, None, nameof(DomainState.Paused), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Running), nameof(DomainState.Paused), nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Running), nameof(DomainState.ShutOff), nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Paused), nameof(DomainState.Running), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.ShutOff), nameof(DomainState.Running), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Running), nameof(DomainState.Running), nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, None, None, nameof(Place.Nowhere))]
    // One of the two is silent.
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Running), Silent, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.Paused), Silent, nameof(Place.Untold))]
    [InlineData(VirtualMachineStatus.Up, nameof(DomainState.ShutOff), Silent, nameof(Place.Untold))]
    [InlineData(VirtualMachineStatus.Up, None, Silent, nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, Silent, nameof(DomainState.Running), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Up, Silent, nameof(DomainState.Paused), nameof(Place.Untold))]
    [InlineData(VirtualMachineStatus.Up, Silent, None, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Up, Silent, Silent, nameof(Place.Untold))]
    // It was paused, or off.
    [InlineData(VirtualMachineStatus.Paused, nameof(DomainState.Paused), Silent, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Paused, nameof(DomainState.ShutOff), nameof(DomainState.Paused), nameof(Place.Target))]
    [InlineData(VirtualMachineStatus.Paused, Silent, nameof(DomainState.Paused), nameof(Place.Untold))]
    [InlineData(VirtualMachineStatus.Down, nameof(DomainState.ShutOff), nameof(DomainState.ShutOff), nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Down, nameof(DomainState.ShutOff), Silent, nameof(Place.Source))]
    [InlineData(VirtualMachineStatus.Down, Silent, nameof(DomainState.ShutOff), nameof(Place.Target))]
    public void Place_IsWhereTheHostsSay(VirtualMachineStatus before, string source, string target, string place) =>
        Assert.Equal(place, Whereabouts.Of(Answer(source), Answer(target), before).Place.ToString());

    [Fact]
    public void Leftover_IsTheOtherCopy()
    {
        Assert.Equal(DomainState.ShutOff, Whereabouts.Of(Answer("Running"), Answer("ShutOff"), VirtualMachineStatus.Up).Leftover!.State);
        Assert.Equal(DomainState.Paused, Whereabouts.Of(Answer("Paused"), Answer("Running"), VirtualMachineStatus.Up).Leftover!.State);
        Assert.Null(Whereabouts.Of(Answer("Running"), Answer(None), VirtualMachineStatus.Up).Leftover);
    }

    private static DomainAnswer Answer(string word) => word switch
    {
        Silent => new DomainAnswer(false, null),
        None => new DomainAnswer(true, null),
        _ => new DomainAnswer(true, new Domain(Definition, Enum.Parse<DomainState>(word))),
    };
}
