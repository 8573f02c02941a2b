namespace Portal.Core.Inventory;

/// <summary>Where a cluster's reaction to a host that lost trust stands.</summary>
public enum ReactionState
{
    /// <summary>Waits until the host has been untrusted for as long as the policy says.</summary>
    Waiting,

    /// <summary>Held back by the blast-radius guard until a person lets it go on, or dismisses it.</summary>
    Held,

    /// <summary>An operation moves VMs away.</summary>
    Acting,

    /// <summary>Done what there was to do; the host is still not trusted.</summary>
    Done,
}

/// <summary>The reaction to one host that lost trust; one row per host from when it falls until it is trusted again.</summary>
public sealed class HostReaction
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>Its cluster when it fell.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>When the verdict became Untrusted.</summary>
    public required DateTimeOffset FellAt { get; init; }

    /// <summary>Where it stands.</summary>
    public ReactionState State { get; set; }

    /// <summary>Since when it stands there.</summary>
    public required DateTimeOffset Since { get; set; }

    /// <summary>The operation that moves VMs, once one was recorded.</summary>
    public Guid? OperationId { get; set; }

    /// <summary>Why it stands there, for a person.</summary>
    public string Sentence { get; set; } = "";
}
