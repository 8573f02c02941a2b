using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.Outside;

/// <summary>An attester that registered with a server which does not verify it yet. Claims, but that both of its keys live in one TPM was shown to the server.</summary>
/// <param name="Name">The server's name for it.</param>
/// <param name="EndorsementKey">Public area of its TPM's endorsement key.</param>
/// <param name="EndorsementCertificate">The maker's certificate of that key, DER; empty when none was sent.</param>
/// <param name="Identity">Digest of all it registered: who registers anew is somebody else until shown otherwise.</param>
public sealed record WaitingAttester(string Name, ReadOnlyMemory<byte> EndorsementKey, ReadOnlyMemory<byte> EndorsementCertificate, string Identity);

/// <summary>
/// Takes attesters out of a server's queue; a client of a kind of server that leaves this to others is this too. The server checks neither whose TPM
/// it is nor who answers at the address: whoever enrols has to. Calls may throw <see cref="ServerException"/>.
/// </summary>
public interface IAttesterEnrolment
{
    /// <summary>Who waits under a name; null when nobody of that name is registered.</summary>
    Task<WaitingAttester?> WaitingAsync(string name, CancellationToken ct);

    /// <summary>Has the attester itself quote a nonce of ours with the key it registered. Returns only when it did.</summary>
    Task ProveAsync(WaitingAttester attester, CancellationToken ct);

    /// <summary>Has the server verify it by these policies; all they refer to is kept there already. That the server accepts says nothing yet.</summary>
    Task EnrolAsync(WaitingAttester attester, IReadOnlyList<ServerPolicy> policies, CancellationToken ct);
}

/// <summary>What an attester is enrolled with: what is approved for the cluster of the host it is.</summary>
/// <param name="ClusterId">That cluster.</param>
/// <param name="Shared">Policies that attesters refer to; they have to be there first.</param>
/// <param name="Own">Policies of this attester alone; at least one.</param>
internal sealed record EnrolmentPlan(Guid ClusterId, ImmutableArray<ServerPolicy> Shared, ImmutableArray<ServerPolicy> Own);

/// <summary>Finds out what an attester is to be enrolled with. Without a policy a server would call every boot of it trusted, so that is refused.</summary>
/// <param name="contexts">The database.</param>
/// <param name="policies">Policies of clusters.</param>
internal sealed class EnrolmentPlans(IDbContextFactory<PortalDbContext> contexts, PolicyReader policies)
{
    public async Task<Outcome<EnrolmentPlan>> OfAsync(Guid serverId, string name, IServerClient client, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.HostsOnServers.AsNoTracking().Where(b => b.ServerId == serverId && b.Name == name)
            .Join(db.Hosts, b => b.HostId, h => h.Id, (b, h) => h).SingleOrDefaultAsync(ct);
        if (host is null)
        {
            return Refusal.Conflict("service.attester.unbound", $"Nobody said yet which host {name} is, so nothing says what it may boot.", "Bind it to a host of a cluster that names this service first.");
        }

        if (await policies.OfAsync(host.ClusterId, ct) is not { } policy || policy.Services.Of(serverId) is not { Keeper: PolicyKeeper.Portal })
        {
            return Refusal.Conflict(
                "service.attester.kept_there",
                $"The portal does not keep the policies of {host.Name}'s cluster on this server, and enrolled without any it would be called trusted whatever it boots.",
                "Enrol it with the server's own tools, or let the portal keep the policies in the cluster's trust policy.");
        }

        var required = policy.Set with { Revisions = [.. policy.Set.Revisions.Where(r => policy.Set.RequiredKinds.HasFlag(r.Kind))] };
        var wanted = client.Wanted(required, [new BoundHost(host.Id, name)]);
        if (!wanted.Succeeded)
        {
            return wanted.Refusal;
        }

        var plan = new EnrolmentPlan(host.ClusterId, [.. wanted.Value.Where(p => p.HostId is null)], [.. wanted.Value.Where(p => p.HostId == host.Id)]);
        return plan.Own.Length > 0
            ? plan
            : Refusal.Conflict("service.attester.no_policy", $"The cluster of {host.Name} requires no kind of baseline, so there is nothing to enrol {name} with.", "Require at least one kind in the cluster's trust policy, and approve a baseline of it.");
    }
}

/// <summary>What the steps share: a client that can enrol.</summary>
internal abstract class EnrolmentStep(ServerClients clients) : AttesterStep(clients)
{
    protected sealed override async Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, IAttesterControl control, CancellationToken ct) =>
        control is IAttesterEnrolment enrolment and IServerClient client
            ? await DoAsync(context, new Parts(control, enrolment, client), ct)
            : Refusal.Conflict("service.attester.not_there", "This kind of server has no queue of attesters.", "Nothing to do.");

    protected abstract Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, Parts server, CancellationToken ct);

    /// <summary>Who waits, if it is still who it was when the operation began.</summary>
    protected static async Task<Outcome<WaitingAttester>> SameAsync(AttesterWork work, Parts server, CancellationToken ct) =>
        await server.Enrolment.WaitingAsync(work.Name, ct) is { } waiting && waiting.Identity == work.Identity
            ? waiting
            : Refusal.Conflict("service.attester.changed", $"What registered as {work.Name} is another than a moment ago.", "Look at the host; then enrol it again.");

    /// <summary>One server by all that can be done with it.</summary>
    protected sealed record Parts(IAttesterControl Control, IAttesterEnrolment Enrolment, IServerClient Client);
}

/// <summary>Looks who registered, who made its TPM, and what it would be enrolled with.</summary>
internal sealed class EnrolmentLookStep(ServerClients clients, EnrolmentPlans plans, VendorRoots roots) : EnrolmentStep(clients)
{
    public override string Title => "Look who registered, and who made its TPM";

    protected override async Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, Parts server, CancellationToken ct)
    {
        var work = context.Data;
        if (await server.Control.StandingAsync(work.Name, ct) is { } standing)
        {
            return Refusal.Conflict("service.attester.enrolled", $"{work.Name} is enrolled: it {standing.Words}.", "Nothing to do; one that was stopped is removed first.");
        }

        if (await server.Enrolment.WaitingAsync(work.Name, ct) is not { } waiting)
        {
            return Refusal.NotFound("attester", work.Name);
        }

        var origin = (await roots.JudgeKeysAsync(ct))(waiting.EndorsementKey, waiting.EndorsementCertificate);
        if (origin.Verdict is not (EndorsementVerdict.Valid or EndorsementVerdict.VirtualTpm))
        {
            return Refusal.Conflict("service.attester.endorsement", $"{work.Name} is not enrolled: {origin.Sentence}", origin.Remedy);
        }

        var plan = await plans.OfAsync(work.ServerId, work.Name, server.Client, ct);
        if (!plan.Succeeded)
        {
            return plan.Refusal;
        }

        work.Identity = waiting.Identity;
        return origin.Sentence;
    }
}

/// <summary>Has the attester show that it holds the key that was registered for it.</summary>
internal sealed class EnrolmentProofStep(ServerClients clients) : EnrolmentStep(clients)
{
    public override string Title => "Have it quote with the key it registered";

    protected override async Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, Parts server, CancellationToken ct)
    {
        var same = await SameAsync(context.Data, server, ct);
        if (!same.Succeeded)
        {
            return same.Refusal;
        }

        await server.Enrolment.ProveAsync(same.Value, ct);
        return "It quoted a nonce of ours with that key.";
    }
}

/// <summary>Enrols it with what is approved.</summary>
internal sealed class EnrolStep(ServerClients clients, EnrolmentPlans plans) : EnrolmentStep(clients)
{
    public override string Title => "Enrol it with what is approved";

    protected override async Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, Parts server, CancellationToken ct)
    {
        var work = context.Data;

        // Enrolled before a crash, or by somebody else meanwhile: what it has is read and compared when it is published.
        if (await server.Control.StandingAsync(work.Name, ct) is not null)
        {
            return "It is enrolled already.";
        }

        var (same, plan) = (await SameAsync(work, server, ct), await plans.OfAsync(work.ServerId, work.Name, server.Client, ct));
        if (!same.Succeeded || !plan.Succeeded)
        {
            return (same.Refusal ?? plan.Refusal)!;
        }

        foreach (var policy in plan.Value.Shared)
        {
            if (await KeepAsync(policy, server.Client, ct) is { } refusal)
            {
                return refusal;
            }
        }

        await server.Enrolment.EnrolAsync(same.Value, plan.Value.Own, ct);
        return $"It is enrolled with {string.Join(", ", plan.Value.Own.Select(p => p.Title))}.";
    }

    /// <summary>Makes a policy that is not there; one that is other than it should be is somebody's doing, and is left to publishing, which tells.</summary>
    private static async Task<Refusal?> KeepAsync(ServerPolicy policy, IServerClient client, CancellationToken ct)
    {
        var kept = await client.ReadPolicyAsync(policy.Key, ct);
        if (kept is null)
        {
            await client.WritePolicyAsync(policy.Key, policy.Content, ct);
            kept = await client.ReadPolicyAsync(policy.Key, ct);
        }

        return kept == policy.Content
            ? null
            : Refusal.Conflict("service.attester.publish_first", $"The server keeps something else as {policy.Title} than what is approved.", "Publish the cluster's baselines to the server first.");
    }
}

/// <summary>Waits until the server has verified it, and has what it keeps compared with what is approved: from then on its word counts.</summary>
internal sealed class EnrolledStep(ServerClients clients, IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed, IEarlyReads reads, TimeProvider time) : EnrolmentStep(clients)
{
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    public override string Title => "Wait until it was verified";

    protected override async Task<Outcome<string>> DoAsync(Operations.OperationContext<AttesterWork> context, Parts server, CancellationToken ct)
    {
        var work = context.Data;
        for (var until = time.GetUtcNow() + Within; ;)
        {
            var standing = await server.Control.StandingAsync(work.Name, ct);
            if (standing?.Verified > 0)
            {
                return await CountAsync(work, ct);
            }

            if (standing is null or { Needs: true } || time.GetUtcNow() >= until)
            {
                return new Refusal(
                    "service.attester.not_verified",
                    RefusalKind.Unavailable,
                    $"{work.Name} was enrolled, and {(standing is null ? "is gone" : standing.Needs ? "failed: it " + standing.Words : "was not verified within two minutes")}.",
                    "Look at the host and its agent, then at the server's log. It stays enrolled; remove it there if it should not.");
            }

            await context.TellAsync(50, $"It {standing.Words}.", ct);
            await Task.Delay(Pause, time, ct);
        }
    }

    /// <summary>Has both looked at soon: whether the server keeps what is approved, and what it says of the host.</summary>
    private async Task<Outcome<string>> CountAsync(AttesterWork work, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.HostsOnServers.Where(b => b.ServerId == work.ServerId && b.Name == work.Name).Join(db.Hosts, b => b.HostId, h => h.Id, (b, h) => h.ClusterId).ToListAsync(ct);
        await db.Publications.Where(p => p.ServerId == work.ServerId && clusters.Contains(p.ClusterId)).ExecuteUpdateAsync(set => set.SetProperty(p => p.CheckedAt, (DateTimeOffset?)null), ct);
        foreach (var cluster in clusters)
        {
            feed.Publish(Change.Of(ChangeTopic.Cluster, cluster));
        }

        reads.Read(work.ServerId);
        return "It was verified and matched.";
    }
}
