using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Boot;
using Portal.Core.Storage;
using Portal.Core.Tpm;
using Portal.Core.Virtualization;
using Portal.Identity.Provider;

namespace Portal.Demo;

/// <summary>
/// Brings the simulated fleet to life as people would: the inventory, baselines written by one person and approved by another,
/// hosts enrolled, VMs created, all through the ordinary commands; then the story that makes some hosts untrusted. Goes on where it was after a restart.
/// </summary>
/// <param name="seed">Inventory rows.</param>
/// <param name="story">What happens to hosts.</param>
/// <param name="fleet">The simulated hosts and what they ought to boot.</param>
/// <param name="contexts">The database.</param>
/// <param name="commands">The ordinary commands.</param>
/// <param name="log">For operators.</param>
internal sealed partial class DemoFleet(
    DemoSeed seed,
    DemoStory story,
    SimulatedFleet fleet,
    IDbContextFactory<PortalDbContext> contexts,
    DemoCommands commands,
    ILogger<DemoFleet> log) : BackgroundService
{
    private const int EnrolAtOnce = 8;
    private const int Attempts = 5;
    private static readonly Caller Administrator = Caller.With(DemoUsers.PersonOf("admin@internal"), Role.Administrator);
    private static readonly Caller Author = Caller.With(DemoUsers.PersonOf("security@internal"), Role.Security);
    private static readonly Caller Approver = Caller.With(DemoUsers.PersonOf("security2@internal"), Role.Security);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            try
            {
                await PrepareAsync(stoppingToken);
                return;
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                NotReady(log, attempt, Attempts, fault);
            }
        }
    }

    /// <summary>Does what is not done yet.</summary>
    private async Task PrepareAsync(CancellationToken ct)
    {
        await seed.EnsureAsync(ct);
        commands.Feed.Publish(Core.Changes.Change.Of(Core.Changes.ChangeTopic.Host));
        commands.Feed.Publish(Core.Changes.Change.Of(Core.Changes.ChangeTopic.Cluster));
        if (story.HasBegun)
        {
            return;
        }

        await ApproveBaselinesAsync(ct);
        await EnrolAsync(ct);
        await AttestEnrolledAsync(ct);
        await CreateVirtualMachinesAsync(ct);
        await story.BeginAsync(ct);
        await AttestChangedAsync(ct);
        Ready(log, fleet.Hosts.Count);
    }

    private async Task ApproveBaselinesAsync(CancellationToken ct)
    {
        foreach (var reference in fleet.References)
        {
            var revision = await RevisionOfAsync(reference, ct);
            if (revision.State == RevisionState.Draft)
            {
                revision = Expect(await commands.SubmitRevision.ExecuteAsync(Author, new(revision.RevisionId), ct));
            }

            if (revision.State == RevisionState.InReview)
            {
                Expect(await commands.ApproveRevision.ExecuteAsync(Approver, new(revision.RevisionId, revision.ContentHash, "Compared with the vendor's published digests."), ct));
            }
        }
    }

    /// <summary>The newest revision of a reference's baseline, which may be half way to its approval.</summary>
    private async Task<RevisionStanding> RevisionOfAsync(ReferenceImage reference, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var known = await db.BaselineRevisions
            .Where(r => db.Baselines.Any(b => b.Id == r.BaselineId && b.Name == reference.Name))
            .OrderByDescending(r => r.Number)
            .FirstOrDefaultAsync(ct);
        if (known is not null)
        {
            return RevisionStanding.Of(known);
        }

        var kind = reference.Kind == ReferenceKind.Firmware ? BaselineKinds.Firmware : BaselineKinds.Hypervisor;
        return Expect(await commands.CreateBaseline.ExecuteAsync(Author, new(reference.Name, kind, reference.Description, ContentOf(reference)), ct));
    }

    private async Task EnrolAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var wanted = seed.HostsToEnrol.ToHashSet(StringComparer.Ordinal);
        var open = await db.Hosts.Where(h => !db.Attesters.Any(a => a.HostId == h.Id)).Select(h => new { h.Id, h.Name }).ToListAsync(ct);
        await Parallel.ForEachAsync(
            open.Where(h => wanted.Contains(h.Name)),
            new ParallelOptions { MaxDegreeOfParallelism = EnrolAtOnce, CancellationToken = ct },
            async (host, token) => Expect(await commands.EnrolAttester.ExecuteAsync(Administrator, host.Id, token)));
    }

    /// <summary>A start that was cut short may have enrolled hosts and asked them nothing.</summary>
    private async Task AttestEnrolledAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var unasked = await db.Attesters
            .Where(a => !db.Attestations.Any(r => r.HostId == a.HostId && r.Verdict != Verdict.None))
            .Select(a => a.HostId)
            .ToListAsync(ct);
        foreach (var host in unasked)
        {
            await commands.Attest.AttestAsync(host, AttestationPurpose.Enrolment, null, ct);
        }
    }

    private async Task CreateVirtualMachinesAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.Clusters.ToDictionaryAsync(c => c.Name, c => c.Id, StringComparer.Ordinal, ct);
        var templates = await db.Templates.ToDictionaryAsync(t => t.Name, t => t.Id, StringComparer.Ordinal, ct);
        var known = await db.VirtualMachines.Select(v => v.Name).ToHashSetAsync(ct);
        foreach (var vm in seed.VirtualMachinesThatRequireTrust.Where(v => !known.Contains(v.Name)))
        {
            var request = new NewVirtualMachine { Name = vm.Name, ClusterId = clusters[vm.Cluster], TemplateId = templates[vm.Template], TrustLevel = vm.TrustLevel, Start = vm.Running };
            var operation = Expect(await commands.CreateVirtualMachine.ExecuteAsync(Administrator, request, ct));
            await commands.Operations.WaitAsync(operation, TimeSpan.FromSeconds(30), ct);
        }
    }

    /// <summary>What the story changed is seen now, not with the next round.</summary>
    private async Task AttestChangedAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var changed = fleet.Hosts.Where(h => fleet.PartOf(h.Name) != DemoPart.Trusted).Select(h => h.Id).ToHashSet();
        foreach (var host in await db.Hosts.Where(h => changed.Contains(h.Id)).Select(h => h.Id).ToListAsync(ct))
        {
            await commands.Attest.AttestAsync(host, AttestationPurpose.Round, null, ct);
        }
    }

    private static BaselineContent ContentOf(ReferenceImage reference) => new(
        (ushort)TpmAlgorithm.Sha256,
        [
            .. reference.Pcrs.Select(pcr => new PcrReference(
                pcr,
                [],
                [.. reference.Events.Where(e => e.Pcr == pcr).Select(e => new EventReference(e.EventType, [e.Sha256], e.Label, e.Optional))])),
        ],
        [],
        reference.Description);

    private static T Expect<T>(Outcome<T> outcome) =>
        outcome.Succeeded ? outcome.Value : throw new InvalidOperationException($"The demo could not be prepared: {outcome.Refusal}");

    [LoggerMessage(1101, LogLevel.Information, "The simulated fleet of {Hosts} hosts is attested and its story has begun")]
    private static partial void Ready(ILogger log, int hosts);

    [LoggerMessage(1102, LogLevel.Error, "The simulated fleet could not be prepared at attempt {Attempt} of {Attempts}; it goes on where it was at the next one or after a restart")]
    private static partial void NotReady(ILogger log, int attempt, int attempts, Exception fault);
}

/// <summary>The ordinary commands the demo uses.</summary>
internal sealed record DemoCommands(
    CreateBaseline CreateBaseline,
    SubmitRevision SubmitRevision,
    ApproveRevision ApproveRevision,
    EnrolAttester EnrolAttester,
    CreateVirtualMachine CreateVirtualMachine,
    OperationQueue Operations,
    IAttestNow Attest,
    Core.Changes.IChangeFeed Feed);
