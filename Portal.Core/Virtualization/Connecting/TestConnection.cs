using System.Net;
using System.Net.Sockets;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Libvirt;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>A step on the way to a host's hypervisor.</summary>
public enum ConnectionStep
{
    /// <summary>The address can be used, and what the host is known by.</summary>
    Address,

    /// <summary>Its name leads to an address.</summary>
    Resolve,

    /// <summary>Something listens there.</summary>
    Connect,

    /// <summary>It is the host that was pinned, and it lets us in.</summary>
    SignIn,

    /// <summary>It says what it is.</summary>
    Describe,
}

/// <summary>How a step went.</summary>
public enum ConnectionStepResult
{
    /// <summary>As it should.</summary>
    Good,

    /// <summary>Not as it should.</summary>
    Wrong,

    /// <summary>Not reached, or not to be told from here.</summary>
    NotKnown,
}

/// <summary>How a step went, in words.</summary>
/// <param name="Step">The step.</param>
/// <param name="Result">How it went.</param>
/// <param name="Sentence">What was found, for a person.</param>
/// <param name="Remedy">What to do about it; empty when nothing is.</param>
public sealed record ConnectionLine(ConnectionStep Step, ConnectionStepResult Result, string Sentence, string Remedy = "");

/// <summary>What a hypervisor said when it was tried.</summary>
/// <param name="Version">What answers there, for a person; null when nobody was let in.</param>
/// <param name="Description">What it says of itself; null when it does not.</param>
/// <param name="Fault">What went wrong, in a sentence; null when nothing did.</param>
public sealed record ProbedHypervisor(string? Version, HypervisorDescription? Description, string? Fault);

/// <summary>Part of the port to hypervisors: tries a way nobody has saved yet, and keeps nothing of it.</summary>
public interface IHypervisorProbe
{
    /// <summary>Opens a connection of its own, asks, and closes it.</summary>
    /// <param name="address">Where.</param>
    /// <param name="credentials">What the host is known by and what signs us in.</param>
    /// <param name="ct">Ends the trying.</param>
    Task<ProbedHypervisor> TryAsync(LibvirtAddress address, HypervisorCredentials credentials, CancellationToken ct);
}

/// <summary>Tries the way to a host's hypervisor step by step: as it is being typed, as it is set, or as somebody proposed. Changes nothing.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="rules">What may be said of the way.</param>
/// <param name="secrets">What signs in to hosts there are.</param>
/// <param name="hypervisors">Asks hosts that are connected.</param>
/// <param name="probes">Tries ways nobody saved.</param>
/// <param name="time">Our clock.</param>
public sealed class TestConnection(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, ConnectionRules rules, IHypervisorSecrets secrets, Hypervisors hypervisors, IEnumerable<IHypervisorProbe> probes, TimeProvider time)
{
    /// <summary>How long all steps together may take.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(30);

    private const int TlsPort = 16514;
    private const int TcpPort = 16509;
    private const int SshPort = 22;

    private readonly IHypervisorProbe? probe = probes.FirstOrDefault();

    /// <summary>Tries what somebody types. Needs <see cref="Permission.ManageHosts"/>.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="hostId">The host whose sign-in is used where none is given; null for a host that is yet to be added.</param>
    /// <param name="words">The way.</param>
    /// <param name="signIn">What signs in; null takes what is kept for the host.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Every step, in order.</returns>
    public async Task<Outcome<IReadOnlyList<ConnectionLine>>> TryAsync(Caller caller, Guid? hostId, ConnectionWords words, HypervisorSignIn? signIn, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.ManageHosts, ConnectionSteps.Unread(hostId, null), ct) is { } denied)
        {
            return denied;
        }

        return Outcome.Of<IReadOnlyList<ConnectionLine>>(await WalkAsync(hostId, words, signIn, ct));
    }

    /// <summary>Tries a host as it is set, or as somebody proposed. Needs <see cref="Permission.ManageHosts"/>, of a proposal <see cref="Permission.ManageClusters"/>. Refusals: <c>host.not_found</c>, <c>host.proposal.not_found</c>.</summary>
    public async Task<Outcome<IReadOnlyList<ConnectionLine>>> ExecuteAsync(Caller caller, Guid hostId, bool asProposed, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, ct);
        if (await access.DemandAsync(caller, asProposed ? Permission.ManageClusters : Permission.ManageHosts, ConnectionSteps.Unread(hostId, host?.Name), ct) is { } denied)
        {
            return denied;
        }

        if (host is null)
        {
            return Refusal.NotFound(ConnectionSteps.Kind, hostId.ToString());
        }

        if (host.LibvirtUri is null)
        {
            return Outcome.Of<IReadOnlyList<ConnectionLine>>(await AskAsync(host.Endpoint, ct));
        }

        var words = ConnectionSteps.Words(host, await db.HypervisorConnections.AsNoTracking().SingleOrDefaultAsync(c => c.HostId == hostId, ct));
        if (asProposed)
        {
            if (await db.ConnectionProposals.AsNoTracking().SingleOrDefaultAsync(p => p.HostId == hostId, ct) is not { } proposal)
            {
                return ConnectionRefusals.ProposalGone();
            }

            words = proposal.Words();
        }

        return Outcome.Of<IReadOnlyList<ConnectionLine>>(await WalkAsync(hostId, words, null, ct));
    }

    private async Task<List<ConnectionLine>> WalkAsync(Guid? hostId, ConnectionWords words, HypervisorSignIn? signIn, CancellationToken ct)
    {
        var lines = new List<ConnectionLine>();
        using var deadline = new CancellationTokenSource(Within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            await WalkAsync(lines, hostId, words, signIn, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            lines.Add(Wrong((ConnectionStep)lines.Count, $"It took longer than {Within.TotalSeconds:0} s.", "Look whether the host is busy or hangs, or a firewall swallows the connection."));
        }

        return Filled(lines);
    }

    private async Task WalkAsync(List<ConnectionLine> lines, Guid? hostId, ConnectionWords words, HypervisorSignIn? signIn, CancellationToken ct)
    {
        var checkedWords = rules.Check(words);
        var wrong = checkedWords.Refusal ?? (hostId is null || signIn is not null ? rules.Fault(checkedWords.Value, signIn) : null);
        if (wrong is not null)
        {
            lines.Add(Wrong(ConnectionStep.Address, wrong.Sentence, wrong.Remedy));
            return;
        }

        var address = checkedWords.Value;
        lines.Add(Good(ConnectionStep.Address, $"{address} can be used."));
        if (!await ReachAsync(lines, address, ct))
        {
            return;
        }

        if (probe is null)
        {
            return;
        }

        var credentials = await CredentialsAsync(hostId, ConnectionRules.Trimmed(address, words), signIn, ct);
        var found = await probe.TryAsync(address, credentials, ct).WaitAsync(ct);
        if (found.Version is not { } version)
        {
            lines.Add(Wrong(ConnectionStep.SignIn, found.Fault ?? "It lets nobody in.", "Compare authority, certificate and keys with the host's, and see its libvirt's log."));
            return;
        }

        lines.Add(Good(ConnectionStep.SignIn, $"{version} answers."));
        lines.Add(found.Description is { } said
            ? Good(ConnectionStep.Describe, $"{said.Cpus} CPUs, {ByteSize.Text(said.Memory)} of memory, {said.Pools.Count} storage pools.{Hardware(said.Hardware)}")
            : Wrong(ConnectionStep.Describe, found.Fault ?? "It says nothing of itself.", "See its libvirt's log."));
    }

    private async Task<HypervisorCredentials> CredentialsAsync(Guid? hostId, ConnectionWords words, HypervisorSignIn? signIn, CancellationToken ct)
    {
        var kept = hostId is { } id ? await secrets.OfAsync(id, ct) : HypervisorCredentials.None;
        return kept with
        {
            Authority = words.Authority,
            SshHostKey = words.SshHostKey,
            ClientCertificate = signIn?.Certificate ?? kept.ClientCertificate,
            PrivateKey = signIn?.PrivateKey ?? kept.PrivateKey,
        };
    }

    private static async Task<bool> ReachAsync(List<ConnectionLine> lines, LibvirtAddress address, CancellationToken ct)
    {
        if (address.Transport is LibvirtTransport.Local or LibvirtTransport.Unix or LibvirtTransport.Test)
        {
            lines.Add(Good(ConnectionStep.Resolve, "It is on the portal's own machine."));
            lines.Add(Good(ConnectionStep.Connect, "No network lies between."));
            return true;
        }

        var port = address.Port ?? address.Transport switch { LibvirtTransport.Tls => TlsPort, LibvirtTransport.Ssh => SshPort, _ => TcpPort };
        try
        {
            var found = await Dns.GetHostAddressesAsync(address.Host, ct);
            lines.Add(Good(ConnectionStep.Resolve, $"{address.Host} is {string.Join(", ", found.Take(4).Select(a => a.ToString()))}."));
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(found, port, ct);
            lines.Add(Good(ConnectionStep.Connect, $"Something listens on port {port}."));
            return true;
        }
        catch (SocketException fault)
        {
            lines.Add(lines.Count == (int)ConnectionStep.Resolve
                ? Wrong(ConnectionStep.Resolve, $"The name {address.Host} is not known.", "Correct the name, or let the portal's name server know it.")
                : Wrong(ConnectionStep.Connect, $"{address.Host} is not reached on port {port}: {Words(fault.SocketErrorCode)}.", "Check that its libvirt listens there, and the way to it."));
            return false;
        }
    }

    private async Task<List<ConnectionLine>> AskAsync(HostEndpoint host, CancellationToken ct)
    {
        var answers = await hypervisors.Of(host).ListAsync(host, ct) is not null;
        return Filled([
            Good(ConnectionStep.Address, $"{host.Address} is another adapter's."),
            answers ? Good(ConnectionStep.Resolve, "Its adapter knows it.") : new ConnectionLine(ConnectionStep.Resolve, ConnectionStepResult.NotKnown, "Not told by its adapter."),
            answers ? Good(ConnectionStep.Connect, "Its hypervisor answers.") : Wrong(ConnectionStep.Connect, "No hypervisor answers there.", "Give the host a libvirt URI, or check its adapter."),
        ]);
    }

    private static List<ConnectionLine> Filled(List<ConnectionLine> lines)
    {
        var stopped = lines.Exists(l => l.Result == ConnectionStepResult.Wrong);
        return [.. lines, .. Enum.GetValues<ConnectionStep>().Where(s => !lines.Exists(l => l.Step == s)).Select(s => new ConnectionLine(s, ConnectionStepResult.NotKnown, stopped ? "Not reached." : "Told once the host is added: this portal has nothing that tries it before."))];
    }

    private static string Hardware(HostHardware hardware) => hardware.ProductName.Length > 0 ? $" {hardware.Manufacturer} {hardware.ProductName}." : hardware.NotOffered.Length > 0 ? $" {hardware.NotOffered}" : "";

    private static string Words(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "nothing listens there",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => "there is no way to it",
        SocketError.TimedOut => "it did not answer",
        _ => "the connection failed",
    };

    private static ConnectionLine Good(ConnectionStep step, string sentence) => new(step, ConnectionStepResult.Good, sentence);

    private static ConnectionLine Wrong(ConnectionStep step, string sentence, string remedy) => new(step, ConnectionStepResult.Wrong, sentence, remedy);
}
