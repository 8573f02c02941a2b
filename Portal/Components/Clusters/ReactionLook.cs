using Portal.Components.Shared;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Words and tones of reactions.</summary>
internal static class ReactionLook
{
    public static string Word(ReactionState state) => state switch
    {
        ReactionState.Waiting => "About to be evacuated",
        ReactionState.Held => "Held",
        ReactionState.Acting => "Being evacuated",
        ReactionState.Done => "Done",
    };

    public static Tone ToneOf(ReactionState state) => state switch
    {
        ReactionState.Waiting => Tone.Old,
        ReactionState.Held => Tone.Bad,
        ReactionState.Acting => Tone.Info,
        ReactionState.Done => Tone.Neutral,
    };

    public static (ReactionKind Kind, string Title, string Words)[] Kinds { get; } =
    [
        (ReactionKind.Alert, "Raise an alarm", "and mark the virtual machines that require trust; nothing else"),
        (ReactionKind.Quarantine, "Quarantine the host", "it takes no virtual machine that requires trust, also for some time after it is trusted again"),
        (ReactionKind.Evacuate, "Evacuate it", "quarantine, and virtual machines that require trust move to trusted hosts"),
    ];

    public static (EvacuationFallback Fallback, string Title, string Words)[] Fallbacks { get; } =
    [
        (EvacuationFallback.Leave, "Leave it running", "the mark stays"),
        (EvacuationFallback.Pause, "Pause it", "its CPUs stop; it stays in the host's memory"),
        (EvacuationFallback.ShutDown, "Shut it down", "its guest is asked to"),
    ];

    public static (MigrationMode Mode, string Title, string Words)[] Modes { get; } =
    [
        (MigrationMode.Direct, "Directly", "the portal drives both hosts; neither needs credentials for the other"),
        (MigrationMode.PeerToPeer, "Peer to peer", "the source's libvirt drives, with credentials of its own for the target"),
        (MigrationMode.Tunnelled, "Tunnelled", "peer to peer, memory within libvirt's own encrypted connection"),
    ];
}
