using System.Collections.Immutable;

namespace Portal.Core.Tpm;

/// <summary>How much of an event's text its digest vouches for.</summary>
public enum EventProof
{
    /// <summary>Nothing: the digest is of something else, such as a file, and the text is a claim.</summary>
    Claimed,

    /// <summary>A part: see <see cref="EventDescription.ProvenText"/>.</summary>
    Part,

    /// <summary>All of it.</summary>
    Whole,
}

/// <summary>
/// What an event says, as text for people: bounded and free of control characters. Event type and PCR role remain claims even
/// where the text is proven; the digest vouches for the bytes of the text only.
/// </summary>
public sealed record EventDescription
{
    /// <summary>Where <see cref="Text"/> is cut, in characters.</summary>
    public const int MaxTextLength = 800;

    /// <summary>The event's type as claimed.</summary>
    public required EventType Type { get; init; }

    /// <summary>One line, at most about <see cref="MaxTextLength"/> characters.</summary>
    public required string Text { get; init; }

    /// <summary>How much of <see cref="Text"/> the digest of the asked bank vouches for.</summary>
    public required EventProof Proof { get; init; }

    /// <summary>Whether the whole text is proven.</summary>
    public bool IsProven => Proof == EventProof.Whole;

    /// <summary>The proven words: all of <see cref="Text"/>, or the part of it that was hashed, such as the command after <c>grub_cmd</c>; null when only claimed.</summary>
    public string? ProvenText { get; init; }

    /// <summary>Path of the loaded image as claimed, such as <c>\EFI\redhat\grubx64.efi</c>; null for other events.</summary>
    public string? Path { get; init; }

    /// <summary>The UEFI variable as claimed; null for other events.</summary>
    public UefiVariable? Variable { get; init; }

    /// <summary>More lines, such as the certificates and hashes of db; no longer than 65.</summary>
    public ImmutableArray<string> Details { get; init; } = [];

    /// <summary>Describes an event.</summary>
    /// <param name="entry">The event.</param>
    /// <param name="bank">The bank whose digest is asked for proof, normally the one under trust.</param>
    public static EventDescription Of(EventLogEntry entry, TpmAlgorithm bank)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var description = EventDecoder.Decode(entry, bank);
        if (description.Text.Length > MaxTextLength)
            description = description with { Text = ClaimedText.Safe(description.Text, MaxTextLength) };
        return description.IsProven ? description with { ProvenText = description.Text } : description;
    }
}
