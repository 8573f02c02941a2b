namespace Portal.Core.Attestation.Outside;

/// <summary>One thing a server keeps that decides whom it calls trusted: an OpenAttestation white list, a Keylime runtime policy, the policy of one Keylime agent.</summary>
/// <param name="Key">Names it on the server; what the adapter made, only the adapter reads it.</param>
/// <param name="Title">For a person, for example <c>white list of kvm-hosts rev-3</c>.</param>
/// <param name="Content">Canonical text: equal exactly when the server would decide alike.</param>
/// <param name="HostId">The host, where it concerns only one.</param>
public sealed record ServerPolicy(string Key, string Title, string Content, Guid? HostId = null)
{
    /// <summary>What the server called that host when this was made.</summary>
    public string? NameThere { get; init; }
}
