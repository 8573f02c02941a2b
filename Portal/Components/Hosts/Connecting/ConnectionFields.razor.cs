using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Virtualization.Connecting;
using Portal.Core.Virtualization.Libvirt;

namespace Portal.Components.Hosts.Connecting;

/// <summary>The fields of the way to a libvirt: the rules answer while one types, the host key is shown to be compared, and the way is tried before it is saved.</summary>
public sealed partial class ConnectionFields(ConnectionRules rules, TestConnection test, PrepareHost prepare)
{
    private const int SshPort = 22;

    private IReadOnlyList<ConnectionLine> lines = [];
    private OfferedHostKey? shown;
    private Refusal? keyRefusal;
    private Refusal? testRefusal;
    private Refusal? typedWrong;
    private bool typed;
    private bool busy;
    private bool testing;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ConnectionDraft Draft { get; set; }

    /// <summary>The host whose sign-in is kept where none is typed; null for one that is yet to be added.</summary>
    [Parameter]
    public Guid? HostId { get; set; }

    /// <summary>What the core refused, shown at its field.</summary>
    [Parameter]
    public Refusal? Refusal { get; set; }

    /// <summary>Told on every key.</summary>
    [Parameter]
    public EventCallback Changed { get; set; }

    /// <summary>The fields that show a refusal themselves.</summary>
    internal static IReadOnlyList<string> Fields { get; } = ["libvirt_uri", "authority", "ssh_host_key", "client_certificate", "private_key"];

    /// <summary>Where to ask for the host key; null while the URI names no host.</summary>
    private (string Host, int Port)? Place => LibvirtAddress.Parse(Draft.LibvirtUri.Trim(), allowsUnprotected: false) is { Succeeded: true, Value: { NeedsHostKey: true } address }
        ? (address.Host, address.Port ?? SshPort)
        : null;

    private static string Text(ChangeEventArgs change) => change.Value as string ?? "";

    /// <summary>While one types, only what is typed already is spoken of: an empty field is not a fault yet.</summary>
    private string? ErrorOf(string field) => Wrong(field)?.ToString();

    private string? Invalid(string field) => Wrong(field) is null ? null : "true";

    private Refusal? Wrong(string field) => Refusal?.Field == field ? Refusal
        : typed && typedWrong?.Field == field && !IsEmpty(field) ? typedWrong
        : null;

    private bool IsEmpty(string field) => field switch
    {
        "authority" => Draft.Authority.Length == 0,
        "ssh_host_key" => Draft.SshHostKey.Length == 0,
        _ => Draft.LibvirtUri.EndsWith("://", StringComparison.Ordinal),
    };

    private async Task TypedAsync(Action change)
    {
        var before = Place;
        change();
        if (before != Place)
        {
            (shown, keyRefusal) = (null, null);
        }

        (typed, typedWrong, lines, testRefusal) = (true, rules.Check(Draft.Words).Refusal, [], null);
        await Changed.InvokeAsync();
    }

    private async Task FetchAsync()
    {
        if (Place is not var (host, port))
        {
            return;
        }

        (busy, keyRefusal) = (true, null);
        try
        {
            var fetched = await prepare.FetchKeyAsync(Caller, host, port, Stopping);
            (shown, keyRefusal) = (fetched.Succeeded ? fetched.Value : null, fetched.Refusal);
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }

        busy = false;
    }

    private async Task TestAsync()
    {
        (testing, testRefusal, lines) = (true, null, []);
        try
        {
            var tested = await test.TryAsync(Caller, HostId, Draft.Words, Draft.SignIn, Stopping);
            (lines, testRefusal) = (tested.Succeeded ? tested.Value : [], tested.Refusal);
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }

        testing = false;
    }
}
