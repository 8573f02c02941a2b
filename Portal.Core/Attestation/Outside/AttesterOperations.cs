using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>What is done with one attester of a server.</summary>
public sealed class AttesterWork
{
    /// <summary>Kind of the operation that has a server verify an attester again.</summary>
    public const string Reactivate = "service.attester.reactivate";

    /// <summary>Kind of the operation that removes an attester from a server.</summary>
    public const string Remove = "service.attester.remove";

    /// <summary>Kind of the operation that takes an attester out of a server's queue.</summary>
    public const string Enrol = "service.attester.enrol";

    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>The server's name for the attester.</summary>
    public required string Name { get; init; }

    /// <summary>How often it had been verified before.</summary>
    public long VerifiedBefore { get; set; }

    /// <summary>Who registered, where it is to be enrolled: see <see cref="WaitingAttester.Identity"/>.</summary>
    public string? Identity { get; set; }
}

/// <summary>
/// Has a server verify an attester again on which it gave up, or verify it no more: operations that end only with proof, since servers accept
/// calls and do them later, or not at all.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="clients">Clients of servers.</param>
/// <param name="revival">Knows what is done with attesters already.</param>
/// <param name="audit">The audit.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class ControlAttester(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, ServerClients clients, AttesterRevival revival, AuditLog audit, OperationRunner runner, OperationQueue queue, IChangeFeed feed, TimeProvider time)
{
    /// <summary>Records the operation that has it verified again, or joins the one there is. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>service.not_found</c>, <c>service.attester.*</c>.</summary>
    public Task<Outcome<Guid>> ReactivateAsync(Caller caller, Guid serverId, string name, CancellationToken ct) => BeginAsync(caller, AttesterWork.Reactivate, "Have {1} verify {0} again", serverId, name, ct);

    /// <summary>Records the operation that removes it there, or joins the one there is. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>service.not_found</c>, <c>service.attester.*</c>.</summary>
    public Task<Outcome<Guid>> RemoveAsync(Caller caller, Guid serverId, string name, CancellationToken ct) => BeginAsync(caller, AttesterWork.Remove, "Remove {0} from {1}", serverId, name, ct);

    /// <summary>
    /// Records the operation that enrols one that waits there, with what is approved for its host's cluster. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusals: <c>service.not_found</c>, <c>service.attester.*</c>; the operation's own: <c>service.attester.unbound</c>, <c>service.attester.endorsement</c> and others.
    /// </summary>
    public Task<Outcome<Guid>> EnrolAsync(Caller caller, Guid serverId, string name, CancellationToken ct) => BeginAsync(caller, AttesterWork.Enrol, "Enrol {0} with {1}", serverId, name, ct);

    private async Task<Outcome<Guid>> BeginAsync(Caller caller, string kind, string title, Guid serverId, string name, CancellationToken ct)
    {
        // Told twice to verify an attester, Keylime does so twice at a time: of two requests at once one has to see the other's operation.
        using (await revival.AloneAsync(ct))
        {
            return await BeginAloneAsync(caller, kind, title, serverId, name, ct);
        }
    }

    private async Task<Outcome<Guid>> BeginAloneAsync(Caller caller, string kind, string title, Guid serverId, string name, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var server = await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct);
        var target = ServerSteps.Unread(serverId, server?.Name);
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        var open = await AttesterRevival.OpenAsync(db, serverId, name, ct);
        if (open?.Kind == kind)
        {
            return open.Id;
        }

        var refusal = server is null ? ServerRefusals.NotFound(serverId)
            : name.Length is 0 or > BindHost.LongestName ? ServerRefusals.HostName()
            : open is not null ? Refusal.Conflict("service.attester.busy", $"Something else is done with {name} already: {open.Title}.", "Wait until that has ended.")
            : await CannotAsync(server, ct);
        if (refusal is not null)
        {
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }

        var operation = new Operation
        {
            Kind = kind,
            Title = string.Format(System.Globalization.CultureInfo.InvariantCulture, title, name, server!.Name),
            TargetKind = ServerSteps.Kind,
            TargetId = server.Id,
            TargetName = server.Name,
            Data = JsonSerializer.Serialize(new AttesterWork { ServerId = serverId, Name = name }),
            Steps = runner.InitialSteps(kind),
            Issuer = caller.Person.Issuer,
            Subject = caller.Person.Subject,
            PersonName = caller.Person.Name,
            CreatedAt = time.GetUtcNow(),
        };
        db.Operations.Add(operation);
        audit.Add(db, caller.Person, kind, target, $"{operation.Title} was asked for.");
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        await queue.EnqueueAsync(operation.Id, ct);
        return operation.Id;
    }

    private async Task<Refusal?> CannotAsync(AttestationServer server, CancellationToken ct) => await clients.OfAsync(server.Id, ct) is IAttesterControl
        ? null
        : Refusal.Conflict("service.attester.not_there", $"{ServiceTypes.Title(server.Type)} verifies hosts when it is asked, and has no such thing.", "Nothing to do.");
}

/// <summary>What the steps share: a client that can, and faults as refusals.</summary>
internal abstract class AttesterStep(ServerClients clients) : OperationStep<AttesterWork>
{
    /// <summary>Nothing takes back what a server was told to do with an attester.</summary>
    public override Task UndoAsync(OperationContext<AttesterWork> context, CancellationToken ct) => Task.CompletedTask;

    public sealed override async Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, CancellationToken ct)
    {
        try
        {
            return await clients.OfAsync(context.Data.ServerId, ct) is IAttesterControl control ? await DoAsync(context, control, ct) : ServerRefusals.NotFound(context.Data.ServerId);
        }
        catch (ServerException fault)
        {
            return new Refusal("service.attester.failed", RefusalKind.Unavailable, fault.Message, fault.Remedy);
        }
    }

    public override Task<string?> CheckAsync(OperationContext<AttesterWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    protected abstract Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct);
}

/// <summary>Looks whether the server gave up on it, and how often it had verified it.</summary>
internal sealed class AttesterLookStep(ServerClients clients) : AttesterStep(clients)
{
    public override string Title => "Look how it stands";

    protected override async Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct)
    {
        if (await control.StandingAsync(context.Data.Name, ct) is not { } standing)
        {
            return Refusal.NotFound("attester", context.Data.Name);
        }

        if (!standing.Needs)
        {
            return Refusal.Conflict("service.attester.not_needed", $"{context.Data.Name} {standing.Words}; only one that the server gave up on is reactivated.", "One that was stopped is removed and enrolled again; any other needs nothing.");
        }

        context.Data.VerifiedBefore = standing.Verified;
        return $"It {standing.Words}.";
    }
}

/// <summary>Tells the server to verify it again, once: told twice, Keylime would verify it twice at a time for ever.</summary>
internal sealed class ReactivateStep(ServerClients clients) : AttesterStep(clients)
{
    public override string Title => "Tell the server";

    protected override async Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct)
    {
        // Told before a crash, or by somebody else meanwhile: once is enough.
        if (await control.StandingAsync(context.Data.Name, ct) is { Needs: false })
        {
            return "It was told already.";
        }

        await control.ReactivateAsync(context.Data.Name, ct);
        return "It was told.";
    }
}

/// <summary>Waits until it was verified anew: that the server accepted the call says nothing.</summary>
internal sealed class VerifiedAgainStep(ServerClients clients, IEarlyReads reads, TimeProvider time) : AttesterStep(clients)
{
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    public override string Title => "Wait until it was verified anew";

    protected override async Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct)
    {
        for (var until = time.GetUtcNow() + Within; ;)
        {
            var standing = await control.StandingAsync(context.Data.Name, ct);
            if (standing?.Verified > context.Data.VerifiedBefore)
            {
                reads.Read(context.Data.ServerId);
                return "It was verified anew and matched.";
            }

            if (standing is null or { Needs: true } || time.GetUtcNow() >= until)
            {
                return new Refusal(
                    "service.attester.not_verified",
                    RefusalKind.Unavailable,
                    $"The server was told, and {context.Data.Name} {(standing is null ? "is gone" : standing.Needs ? "failed again: it " + standing.Words : "was not verified within two minutes")}.",
                    "Look at the host and its agent, then at the server's log.");
            }

            await context.TellAsync(50, $"It {standing.Words}.", ct);
            await Task.Delay(Pause, time, ct);
        }
    }
}

/// <summary>Removes it and waits until it is gone.</summary>
internal sealed class RemoveAttesterStep(ServerClients clients, IEarlyReads reads) : AttesterStep(clients)
{
    public override string Title => "Remove it and wait until it is gone";

    protected override async Task<Outcome<string>> DoAsync(OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct)
    {
        await control.RemoveAsync(context.Data.Name, ct);
        if (await control.StandingAsync(context.Data.Name, ct) is not null)
        {
            return Refusal.Conflict("service.attester.still_there", $"{context.Data.Name} is still there.", "Somebody may have enrolled it again meanwhile; look at the server.");
        }

        reads.Read(context.Data.ServerId);
        return "It is gone.";
    }
}
