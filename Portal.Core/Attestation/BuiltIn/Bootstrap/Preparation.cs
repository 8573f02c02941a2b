namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>What is to be done on a host.</summary>
public enum PreparationMode
{
    /// <summary>The script says what it would do, and changes nothing.</summary>
    Try,

    /// <summary>The host is prepared.</summary>
    Prepare,

    /// <summary>What the script did there is undone.</summary>
    Undo,
}

/// <summary>A host to be prepared over SSH.</summary>
/// <param name="Mode">What is to be done.</param>
/// <param name="HostName">What the host is to be called.</param>
/// <param name="ClusterId">Where it is to go.</param>
/// <param name="Address">Where it is reached: an IP address or a name.</param>
/// <param name="Port">Its SSH port.</param>
/// <param name="Fingerprint">The host key the person confirmed, as <see cref="ShownHostKey.Fingerprint"/>.</param>
/// <param name="Without">Checks to go on without: <c>secure-boot</c>, <c>libvirt</c>.</param>
public sealed record PreparationRequest(
    PreparationMode Mode, string HostName, Guid ClusterId, string Address, int Port, string Fingerprint, IReadOnlyList<string> Without)
{
    /// <summary>Kind of the host key, as <see cref="ShownHostKey.Kind"/>.</summary>
    public string KeyKind { get; init; } = "";
}

/// <summary>What an operation that prepares a host knows: the request and what came of it. No secret is ever part of it.</summary>
internal sealed record PreparationWork(PreparationRequest Request, string User)
{
    /// <summary>Kind of the operation.</summary>
    public const string Kind = "host.prepare";

    /// <summary>What operations of it are about.</summary>
    public const string TargetKind = "preparation";

    /// <summary>SHA-256 of the script that ran.</summary>
    public string ScriptSha256 { get; set; } = "";

    /// <summary>Whether the script ended well and changed the host.</summary>
    public bool RanToItsEnd { get; set; }

    /// <summary>What the host said.</summary>
    public IReadOnlyList<string> Output { get; set; } = [];

    /// <summary>The endorsement key the script read; null when it did not.</summary>
    public string? EndorsementHash { get; set; }
}
