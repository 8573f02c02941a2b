using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>Tries the way to a server step by step, as it is set or as somebody proposed. Changes nothing and says nothing about hosts.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="clients">Clients of servers.</param>
/// <param name="time">Our clock.</param>
public sealed class TestServer(IDbContextFactory<PortalDbContext> contexts, AccessControl access, ServerClients clients, TimeProvider time)
{
    /// <summary>How long all steps together may take.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(60);

    /// <summary>Tests it. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>service.not_found</c>, <c>service.proposal.not_found</c>.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="serverId">The server.</param>
    /// <param name="asProposed">Whether to test the endpoint that waits for a second person.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Every step, in order.</returns>
    public async Task<Outcome<IReadOnlyList<ServerCheckLine>>> ExecuteAsync(Caller caller, Guid serverId, bool asProposed, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var server = await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct);
        if (await access.DemandAsync(caller, Permission.ManageClusters, ServerSteps.Unread(serverId, server?.Name), ct) is { } denied)
        {
            return denied;
        }

        if (server is null)
        {
            return ServerRefusals.NotFound(serverId);
        }

        if (asProposed)
        {
            if (await db.ServerProposals.AsNoTracking().SingleOrDefaultAsync(p => p.ServerId == serverId, ct) is not { } proposal)
            {
                return ServerRefusals.ProposalGone();
            }

            (server.Address, server.RegistrarAddress, server.Authority, server.ChecksName) = (proposal.Address, proposal.RegistrarAddress, proposal.Authority, proposal.ChecksName);
        }

        return Outcome.Of<IReadOnlyList<ServerCheckLine>>(await WalkAsync(server, ct));
    }

    private async Task<List<ServerCheckLine>> WalkAsync(AttestationServer server, CancellationToken ct)
    {
        var lines = new List<ServerCheckLine>();
        using var deadline = new CancellationTokenSource(Within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            using var client = clients.Open(server);
            await foreach (var line in client.CheckAsync(either.Token))
            {
                lines.Add(line);
            }
        }
        catch (ServerException fault)
        {
            lines.Add(new ServerCheckLine((ServerCheckStep)lines.Count, ProbeResult.Wrong, fault.Message, fault.Remedy));
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            lines.Add(new ServerCheckLine((ServerCheckStep)lines.Count, ProbeResult.Wrong, $"{server.Name} took longer than {Within.TotalSeconds:0} s.", "Look whether the server is busy or hangs."));
        }

        foreach (var step in Enum.GetValues<ServerCheckStep>().Where(s => !lines.Exists(l => l.Step == s)))
        {
            lines.Add(new ServerCheckLine(step, ProbeResult.NotKnown, "Not reached.", ""));
        }

        return lines;
    }
}
