using Portal.Core.Operations;

namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>Looks what the server keeps and what it is to keep.</summary>
/// <param name="reader">Compares.</param>
/// <param name="ledger">Writes down how it stands.</param>
/// <param name="clients">Clients of servers.</param>
/// <param name="contexts">The database.</param>
internal sealed class PlanPublicationStep(
    PublicationReader reader, PublicationLedger ledger, ServerClients clients, Microsoft.EntityFrameworkCore.IDbContextFactory<Storage.PortalDbContext> contexts) : OperationStep<PublicationWork>
{
    public override string Title => "Compare the server with what is approved";

    public override Task<string?> CheckAsync(OperationContext<PublicationWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        var work = context.Data;
        try
        {
            if (await reader.LookAsync(work.ClusterId, work.ServerId, ct) is not { } look)
            {
                return Refusal.Conflict("publish.not_wanted", "The cluster does not have the portal keep its policies there any more.", "Nothing to do.");
            }

            if (look.Refusal is { } refusal)
            {
                return refusal;
            }

            (work.PolicyRevision, work.Wanted, work.Writes) = (look.PolicyRevision, [.. look.Wanted], [.. look.Writes]);
            work.Enrolments = await EnrolmentsAsync(work, ct);
            return look.Writes.Count == 0
                ? $"{look.Server.Name} keeps all {look.Wanted.Count} policies as they are approved."
                : $"{look.Writes.Count} of {look.Wanted.Count} policies differ.";
        }
        catch (ServerException fault)
        {
            return PublishFaults.Of(fault);
        }
    }

    private async Task<Dictionary<string, string>> EnrolmentsAsync(PublicationWork work, CancellationToken ct)
    {
        var enrolments = new Dictionary<string, string>(StringComparer.Ordinal);
        if (await clients.OfAsync(work.ServerId, ct) is IEnrolsAnew anew)
        {
            foreach (var write in work.Writes)
            {
                if (await anew.EnrolmentAsync(write.Key, ct) is { } enrolment)
                {
                    enrolments[write.Key] = enrolment;
                }
            }
        }

        return enrolments;
    }

    /// <summary>Nothing was written; but that it failed is to be known.</summary>
    public override async Task UndoAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        var (work, operation) = (context.Data, context.Operation);
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.AttestationServers.FindAsync([work.ServerId], ct) is not { } server || await db.Clusters.FindAsync([work.ClusterId], ct) is not { } cluster)
        {
            return;
        }

        var state = operation.FailureCode is { } code && !code.StartsWith("publish.server", StringComparison.Ordinal) && work.Writes.Count == 0 ? PublicationState.Refused : PublicationState.Failed;
        await ledger.NotAsync(work.ClusterId, server, work.PolicyRevision == 0 ? cluster.PolicyRevision : work.PolicyRevision, state, operation.Failure ?? "It was stopped.", "Mend that, then publish again.", ct);
    }
}

/// <summary>Writes what differs, one policy at a time, and believes only what it reads back. Undoing puts back what was there.</summary>
/// <param name="clients">Clients of servers.</param>
/// <param name="time">Our clock.</param>
internal sealed class WritePoliciesStep(ServerClients clients, TimeProvider time) : OperationStep<PublicationWork>
{
    private const int MostTries = 3;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    public override string Title => "Write what differs, and read it back";

    public override async Task<string?> CheckAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        try
        {
            var client = await clients.OfAsync(context.Data.ServerId, ct);
            foreach (var write in context.Data.Writes)
            {
                if (client is null || await client.ReadPolicyAsync(write.Key, ct) != write.After)
                {
                    return null;
                }
            }

            return Said(context.Data);
        }
        catch (ServerException)
        {
            return null;
        }
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        var writes = context.Data.Writes;
        for (var i = 0; i < writes.Count; i++)
        {
            if (await WriteAsync(context.Data, writes[i], ct) is { } refusal)
            {
                return refusal;
            }

            if (!await context.TellAsync((i + 1) * 100 / writes.Count, $"{i + 1} of {writes.Count} written and read back.", ct) && i + 1 < writes.Count)
            {
                return OperationStop.Refusal($"Stopped after {i + 1} of {writes.Count}.");
            }
        }

        return Said(context.Data);
    }

    public override async Task UndoAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        if (await clients.OfAsync(context.Data.ServerId, ct) is not { } client)
        {
            return;
        }

        // One that cannot be put back keeps no other from it. All of it is tried again until it is done: half of a publication must not stay.
        ServerException? fault = null;
        foreach (var write in Enumerable.Reverse(context.Data.Writes))
        {
            try
            {
                await PutBackAsync(client, context.Data, write, ct);
            }
            catch (ServerException one) when (one.Fault != ServerFault.NothingThere)
            {
                fault ??= one;
            }
            catch (ServerException)
            {
                // Somebody took the attester away: there is nothing to put back.
            }
        }

        if (fault is not null)
        {
            throw new ServerException(fault.Fault, fault.Message, fault.Remedy, fault);
        }
    }

    private static async Task PutBackAsync(IServerClient client, PublicationWork work, PolicyWrite write, CancellationToken ct)
    {
        if (!await IsAwayAsync(client, work, write.Key, ct) && await client.ReadPolicyAsync(write.Key, ct) == write.Before)
        {
            return;
        }

        await client.WritePolicyAsync(write.Key, write.Before, ct);
        if (await client.ReadPolicyAsync(write.Key, ct) != write.Before)
        {
            throw new ServerException(
                ServerFault.Failed,
                $"The server was to keep {write.Title} as it was before, said yes, and keeps something else.",
                "Look at the server's log, and whether somebody else writes there at the same time.");
        }
    }

    /// <summary>Whether an attester was removed and not enrolled anew yet, before a crash or a fault: what was kept of it brings it back.</summary>
    private static async Task<bool> IsAwayAsync(IServerClient client, PublicationWork work, string key, CancellationToken ct) =>
        client is IEnrolsAnew anew && work.Enrolments.TryGetValue(key, out var enrolment) && await anew.IsAwayAsync(key, enrolment, ct);

    private async Task<Refusal?> WriteAsync(PublicationWork work, PolicyWrite write, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            Refusal refusal;
            try
            {
                if (await clients.OfAsync(work.ServerId, ct) is not { } client)
                {
                    return ServerRefusals.NotFound(work.ServerId);
                }

                if (!await IsAwayAsync(client, work, write.Key, ct) && await client.ReadPolicyAsync(write.Key, ct) == write.After)
                {
                    return null;
                }

                await client.WritePolicyAsync(write.Key, write.After, ct);
                if (await client.ReadPolicyAsync(write.Key, ct) == write.After)
                {
                    return null;
                }

                refusal = new Refusal(
                    "publish.server.not_kept",
                    RefusalKind.Unavailable,
                    $"The server took {write.Title} and keeps something else.",
                    "Look at the server's log, and whether somebody else writes there at the same time.");
            }
            catch (ServerException fault)
            {
                refusal = PublishFaults.Of(fault);
            }

            if (tries == MostTries)
            {
                return refusal;
            }

            await Task.Delay(Pause * tries, time, ct);
        }
    }

    private static string Said(PublicationWork work) => work.Writes.Count == 0 ? "Nothing to write." : $"{work.Writes.Count} written and read back.";
}

/// <summary>Writes down that the server keeps what is approved: from now on its word counts.</summary>
/// <param name="ledger">Writes it down.</param>
/// <param name="reads">Has the server read soon.</param>
/// <param name="revival">Has attesters verified again.</param>
/// <param name="contexts">The database.</param>
internal sealed class RecordPublicationStep(
    PublicationLedger ledger, IEarlyReads reads, AttesterRevival revival, Microsoft.EntityFrameworkCore.IDbContextFactory<Storage.PortalDbContext> contexts) : OperationStep<PublicationWork>
{
    public override string Title => "Let the server's word count";

    public override Task<string?> CheckAsync(OperationContext<PublicationWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<PublicationWork> context, CancellationToken ct)
    {
        var work = context.Data;
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.AttestationServers.FindAsync([work.ServerId], ct) is not { } server)
        {
            return ServerRefusals.NotFound(work.ServerId);
        }

        await ledger.VerifiedAsync(work.ClusterId, server, work.PolicyRevision, work.Wanted, work.Writes.Count > 0, ct);
        var revived = work.Writes.Count == 0 ? "" : await ReviveAsync(work, ct);
        reads.Read(work.ServerId);
        return $"{server.Name} keeps what is approved.{revived}";
    }

    /// <summary>A server that gave up on an attester does not look at it again by itself, though what is approved now may be what it runs.</summary>
    private async Task<string> ReviveAsync(PublicationWork work, CancellationToken ct)
    {
        try
        {
            var count = await revival.ReviveAsync(work.ServerId, [.. work.Wanted.Select(w => w.NameThere).OfType<string>().Distinct(StringComparer.Ordinal)], ct);
            return count == 0 ? "" : $" Hosts that failed under what it kept before are verified again: {count}.";
        }
        catch (ServerException fault)
        {
            return $" Hosts that failed under what it kept before could not be verified again: {fault.Message} Reactivate them on the service's page.";
        }
    }

    /// <summary>What it wrote down, the first step's undoing overwrites.</summary>
    public override Task UndoAsync(OperationContext<PublicationWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>A server's fault as a refusal.</summary>
internal static class PublishFaults
{
    public static Refusal Of(ServerException fault) => new("publish.server", RefusalKind.Unavailable, fault.Message, fault.Remedy);
}
