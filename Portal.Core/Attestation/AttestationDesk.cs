using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>
/// Where requests to attest meet: a host is never asked twice at once, a request joins one whose nonce is not issued yet,
/// and results are committed in batches.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="service">The verifier of our own.</param>
/// <param name="servers">Attestation servers of the site's own.</param>
/// <param name="policies">Policies of clusters.</param>
/// <param name="writer">Commits results.</param>
public sealed class AttestationDesk(IDbContextFactory<PortalDbContext> contexts, IAttestationService service, ServerPoll servers, PolicyReader policies, ReportWriter writer) : IAttestNow
{
    private const int MostTries = 3;

    private readonly ConcurrentDictionary<Guid, Attempt> attempts = new();

    /// <inheritdoc/>
    public async Task<HostAttestation?> AttestAsync(Guid hostId, AttestationPurpose purpose, Guid? operationId, CancellationToken ct)
    {
        var row = await SubjectsAsync(null, [hostId], ct);
        if (row.Count == 0 || await policies.OfAsync(row[0].ClusterId, ct) is not { } policy)
        {
            return null;
        }

        await AttestAsync(row[0], policy, purpose, operationId, ct);
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct);
    }

    /// <summary>Attests a host once, or waits for whoever does so already.</summary>
    internal async Task AttestAsync(Subject subject, AppraisalPolicy policy, AttestationPurpose purpose, Guid? operationId, CancellationToken ct)
    {
        while (true)
        {
            var mine = new Attempt(subject.AttestationKey, operationId);
            var current = attempts.GetOrAdd(subject.Host.Id, mine);
            if (current == mine)
            {
                _ = RunAsync(mine, subject, policy, purpose);
                await mine.Committed.WaitAsync(ct);
                return;
            }

            // Too late to join: its nonce is out, or it began before this key was enrolled. A round is content with that, and so is the gate
            // where the host was silent: it has others to ask. The rest ask again after it.
            var joined = current.TryJoin(subject.AttestationKey, operationId);
            await current.Committed.WaitAsync(ct);
            if (joined || purpose == AttestationPurpose.Round || (purpose == AttestationPurpose.Gate && current.WasSilent))
            {
                return;
            }
        }
    }

    /// <summary>Runs to its end whoever waits: others may have joined.</summary>
    private async Task RunAsync(Attempt attempt, Subject subject, AppraisalPolicy policy, AttestationPurpose purpose)
    {
        try
        {
            for (var (tries, now) = (1, subject); ; tries++)
            {
                if (await AskAsync(attempt, now, policy, purpose) || tries == MostTries)
                {
                    break;
                }

                // The policy changed while the host was asked, or the host moved: once more, under the policy in force where it is now.
                if (await SubjectsAsync(null, [subject.Host.Id], CancellationToken.None) is not [var again]
                    || await policies.OfAsync(again.ClusterId, CancellationToken.None) is not { } current)
                {
                    break;
                }

                (now, policy) = (again with { AttestationKey = subject.AttestationKey, Bank = subject.Bank }, current);
            }

            attempt.Complete(null);
        }
        catch (Exception fault)
        {
            attempt.Complete(fault);
        }
        finally
        {
            attempts.TryRemove(KeyValuePair.Create(subject.Host.Id, attempt));
        }
    }

    /// <summary>Has every service of the cluster verify the host, at the same time. False when the policy changed meanwhile.</summary>
    private async Task<bool> AskAsync(Attempt attempt, Subject subject, AppraisalPolicy policy, AttestationPurpose purpose)
    {
        var asked = new List<Task<AttestationReport?>>();
        if (policy.Services.HasBuiltIn)
        {
            var question = new AttestationSubject(subject.Host, subject.AttestationKey, purpose, [], subject.Previous) { Bank = (ushort?)subject.Bank, Runtime = MeasurementStore.Known(subject.Measurements) };
            asked.Add(OursAsync(question));
        }

        // In their turn servers are asked about all hosts at once.
        if (purpose != AttestationPurpose.Round)
        {
            attempt.IssueNonce();
            asked.AddRange(policy.Services.Outside.Select(s => servers.AskAsync(s.ServiceId, subject.Host.Id, policy, purpose, CancellationToken.None)));
        }

        var current = true;
        foreach (var report in (await Task.WhenAll(asked)).OfType<AttestationReport>())
        {
            attempt.WasSilent |= report.Outcome is CheckOutcome.AgentUnreachable or CheckOutcome.ServiceUnreachable;
            current &= await writer.CommitAsync(report);
        }

        return current;

        async Task<AttestationReport?> OursAsync(AttestationSubject question) => await service.AttestAsync(question, policy, attempt.IssueNonce, CancellationToken.None);
    }

    /// <summary>Hosts as they are asked; of one cluster, if given.</summary>
    internal async Task<List<Subject>> SubjectsAsync(Guid? clusterId, IReadOnlyList<Guid> ids, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows =
            from host in db.Hosts.AsNoTracking()
            where ids.Contains(host.Id) && (clusterId == null || host.ClusterId == clusterId)
            join attester in db.Attesters.AsNoTracking() on host.Id equals attester.HostId into keys
            from attester in keys.DefaultIfEmpty()
            join previous in db.Attestations.AsNoTracking() on host.Id equals previous.HostId into results
            from previous in results.DefaultIfEmpty()
            join progress in db.MeasurementProgress.AsNoTracking() on host.Id equals progress.HostId into lists
            from measurements in lists.DefaultIfEmpty()
            let bank = db.Evidence
                .Where(e => e.Id == host.Id && (e.Failure == null || (e.Failure != FindingCode.SelectionIncomplete && e.Failure != FindingCode.BankUnmeasured)))
                .Select(e => (int?)e.Bank)
                .FirstOrDefault()
            select new Subject(new HostEndpoint(host.Id, host.Name, host.Address, host.LibvirtUri), host.ClusterId, attester == null ? null : attester.AttestationKey, previous, bank, measurements);
        return await rows.ToListAsync(ct);
    }

    internal sealed record Subject(HostEndpoint Host, Guid ClusterId, byte[]? AttestationKey, HostAttestation? Previous, int? Bank, MeasurementProgress? Measurements);

    /// <summary>One attempt and who waits for it.</summary>
    private sealed class Attempt
    {
        private readonly Lock joining = new();
        private readonly List<Guid> operations = [];
        private readonly TaskCompletionSource committed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool issued;

        private readonly byte[]? key;

        public Attempt(byte[]? key, Guid? operationId)
        {
            this.key = key;
            Add(operationId);
        }

        public Task Committed => committed.Task;

        /// <summary>Whether no answer came; known when it is committed.</summary>
        public bool WasSilent { get; set; }

        public bool TryJoin(byte[]? askedOf, Guid? operationId)
        {
            lock (joining)
            {
                var may = !issued && askedOf.AsSpan().SequenceEqual(key);
                if (may)
                {
                    Add(operationId);
                }

                return may;
            }
        }

        public IReadOnlyList<Guid> IssueNonce()
        {
            lock (joining)
            {
                issued = true;
                return [.. operations];
            }
        }

        public void Complete(Exception? fault)
        {
            if (fault is null)
            {
                committed.TrySetResult();
            }
            else
            {
                committed.TrySetException(fault);
            }
        }

        private void Add(Guid? operationId)
        {
            if (operationId is { } id)
            {
                operations.Add(id);
            }
        }
    }
}

/// <summary>Reads the policy a cluster's hosts are appraised under.</summary>
/// <param name="contexts">The database.</param>
/// <param name="approved">Approved revisions.</param>
public sealed class PolicyReader(IDbContextFactory<PortalDbContext> contexts, ApprovedRevisions approved)
{
    /// <summary>The policy of this moment; null when there is no such cluster. Times are read before the set, which carries the revision: a change between makes the revision differ from the cluster's, and the appraisal does not count.</summary>
    public async Task<AppraisalPolicy?> OfAsync(Guid clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == clusterId, ct);
        var set = await approved.ForClusterAsync(clusterId, null, ct);
        if (cluster is null || set is null)
        {
            return null;
        }

        // Stamped with the older of both revisions, so that what was read in between never counts as current.
        var revision = Math.Min(cluster.PolicyRevision, set.PolicyRevision);
        return new AppraisalPolicy(set with { PolicyRevision = revision }, cluster.Policy.Lifetime, cluster.Policy.ForgetAfter) { Services = cluster.Policy.Services };
    }
}
