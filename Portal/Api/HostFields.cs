using Portal.Core.Inventory;
using Portal.Core.Virtualization.Connecting;

namespace Portal.Api;

/// <summary>What a request says of a host and the way to its hypervisor. What it leaves out stays as it is.</summary>
/// <param name="body">The document.</param>
internal sealed class HostFields(FieldReader body)
{
    public const string Kind = "host";

    /// <summary>The way to a new host's libvirt.</summary>
    public ConnectionWords Connection() => new(body.Word("libvirt_uri") ?? "", body.Text("authority") ?? "", body.Word("ssh_host_key") ?? "");

    /// <summary>The way to a host's libvirt as it is to be; null when the request says nothing of it.</summary>
    public ConnectionWords? Connection(ConnectionWords known) => body.Has("libvirt_uri") || body.Has("authority") || body.Has("ssh_host_key")
        ? new ConnectionWords(body.Word("libvirt_uri") ?? known.LibvirtUri, body.Text("authority") ?? known.Authority, body.Word("ssh_host_key") ?? known.SshHostKey)
        : null;

    /// <summary>What signs us in; null when the request gives none.</summary>
    public HypervisorSignIn? SignIn()
    {
        var (certificate, key) = (body.Word("client_certificate"), body.Text("private_key"));
        return certificate is null && key is null ? null : new HypervisorSignIn(certificate ?? "", key ?? "");
    }

    /// <summary>How a host's connection is shown; a private key has no way into it.</summary>
    public static IEnumerable<Element?> Shown(Host host, HostConnection connection) => host.LibvirtUri is not { } uri ? [] :
    [
        Element.Leaf("libvirt_uri", uri),
        connection.Words.Authority.Length > 0 ? Element.Leaf("authority", connection.Words.Authority) : null,
        connection.ClientCertificate.Length > 0 ? Element.Leaf("client_certificate", connection.ClientCertificate) : null,
        connection.Words.SshHostKey.Length > 0 ? Element.Leaf("ssh_host_key", connection.Words.SshHostKey) : null,
        ConnectionRules.FingerprintOf(connection.Words.SshHostKey) is { } print ? Element.Leaf("ssh_host_key_fingerprint", print) : null,
        Element.Flag("has_private_key", connection.HasKey),
        Element.List("storage_pools", "storage_pool", connection.Pools.Select(Pool)),
        connection.Proposal is { } waiting ? Change(waiting, connection.IsVoid) : null,
    ];

    /// <summary>What a hypervisor says of its host beyond oVirt's six fields.</summary>
    public static IEnumerable<Element?> Shown(HostHardware hardware) =>
    [
        hardware.BiosVendor.Length + hardware.BiosVersion.Length > 0
            ? Element.Of("bios", Element.Leaf("vendor", hardware.BiosVendor), Element.Leaf("version", hardware.BiosVersion), Element.Leaf("date", hardware.BiosDate))
            : null,
        hardware.Board.Length > 0 ? Element.Leaf("board", hardware.Board) : null,
        hardware.Hypervisor.Length > 0 ? Element.Leaf("hypervisor_version", hardware.Hypervisor) : null,
        hardware.NotOffered.Length > 0 ? Element.Leaf("hardware_not_offered", hardware.NotOffered) : null,
    ];

    /// <summary>What "test connection" found.</summary>
    public static Element Lines(IReadOnlyList<ConnectionLine> lines) => Element.List("lines", "line", lines.Select(line => Element.Of(
        "line",
        Element.Leaf("step", line.Step switch
        {
            ConnectionStep.Address => "address",
            ConnectionStep.Resolve => "resolve",
            ConnectionStep.Connect => "connect",
            ConnectionStep.SignIn => "sign_in",
            ConnectionStep.Describe => "describe",
        }),
        Element.Leaf("result", line.Result switch
        {
            ConnectionStepResult.Good => "good",
            ConnectionStepResult.Wrong => "wrong",
            ConnectionStepResult.NotKnown => "not_known",
        }),
        Element.Leaf("description", line.Sentence),
        line.Remedy.Length > 0 ? Element.Leaf("remedy", line.Remedy) : null)));

    private static Element Pool(HostPool pool) => Element.Of(
        "storage_pool",
        Element.Leaf("name", pool.Name),
        Element.Leaf("type", pool.Kind),
        Element.Flag("shared", pool.IsShared),
        Element.Number("capacity", pool.Capacity),
        Element.Number("available", pool.Available));

    private static Element Change(ConnectionProposal waiting, bool isVoid) => Element.Of(
        "waiting_change",
        Element.Leaf("libvirt_uri", waiting.LibvirtUri),
        waiting.Authority.Length > 0 ? Element.Leaf("authority", waiting.Authority) : null,
        waiting.SshHostKey.Length > 0 ? Element.Leaf("ssh_host_key", waiting.SshHostKey) : null,
        Element.Leaf("proposed_by", waiting.PersonName),
        Element.At("proposed_at", waiting.At),
        Element.Flag("is_void", isVoid))
        .With([KeyValuePair.Create("id", waiting.Id.ToString())]);
}
