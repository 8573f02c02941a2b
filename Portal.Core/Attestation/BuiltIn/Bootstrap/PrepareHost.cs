using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>The key a host shows, beside what people confirmed before.</summary>
/// <param name="Shown">What it shows.</param>
/// <param name="ConfirmedBy">Who confirmed this very key before; null when nobody did.</param>
public sealed record OfferedHostKey(ShownHostKey Shown, string? ConfirmedBy);

/// <summary>
/// Prepares hosts over SSH by the same script that people download: as an operation, whose credentials live in this process only.
/// </summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="reach">Reaches hosts.</param>
/// <param name="scripts">Makes the script.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs operations.</param>
/// <param name="services">What is under way.</param>
public sealed class PrepareHost(ClusterDesk desk, SshReach reach, HostScripts scripts, OperationRunner runner, OperationQueue queue, IPreparationsUnderWay services)
{
    /// <summary>
    /// Fetches the host key an address shows. Nobody signs in. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusals: <c>ssh.address</c>, <c>ssh.port</c>, <c>ssh.network</c>, <c>ssh.unreachable</c>, <c>ssh.host_key.changed</c> when people confirmed another one.
    /// </summary>
    public Task<Outcome<OfferedHostKey>> FetchKeyAsync(Caller caller, string address, int port, CancellationToken ct) => desk.RunAsync<OfferedHostKey>(
        caller,
        Permission.ManageHosts,
        TargetOf(address, port),
        async step =>
        {
            var shown = await reach.KeyAsync(address, port, step.Ct);
            if (!shown.Succeeded)
            {
                return shown.Refusal;
            }

            var (place, known) = (Place(address), shown.Value.Fingerprint);
            step.Audit("ssh.host_key.shown", $"{caller.Person.Name} asked {address}:{port} for its SSH host key: SHA256:{known}.");
            var pinned = await step.Db.SshHostKeys.AsNoTracking().SingleOrDefaultAsync(k => k.Address == place && k.Port == port, step.Ct);
            return pinned is not null && pinned.Fingerprint != known
                ? SshReach.Changed(address, port, pinned.Fingerprint, known)
                : new OfferedHostKey(shown.Value, pinned?.ConfirmedBy);
        },
        ct);

    /// <summary>Forgets the key people confirmed for an address, for a host that was installed anew. Needs <see cref="Permission.ManageHosts"/>.</summary>
    public Task<Outcome<Done>> ForgetKeyAsync(Caller caller, string address, int port, CancellationToken ct) => desk.RunAsync<Done>(
        caller,
        Permission.ManageHosts,
        TargetOf(address, port),
        async step =>
        {
            var place = Place(address);
            if (await step.Db.SshHostKeys.SingleOrDefaultAsync(k => k.Address == place && k.Port == port, step.Ct) is not { } pinned)
            {
                return Refusal.NotFound("ssh.host_key", $"{address}:{port}");
            }

            step.Db.SshHostKeys.Remove(pinned);
            step.Audit("ssh.host_key.forgotten", $"{caller.Person.Name} forgot the SSH host key SHA256:{pinned.Fingerprint} of {address}:{port}, which {pinned.ConfirmedBy} had confirmed.");
            return Done.Value;
        },
        ct);

    /// <summary>
    /// Records and starts the operation. The host key is confirmed with it: from then on no other is talked to there. Takes the credentials over,
    /// and wipes them in any case. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusals: <c>ssh.*</c>, <c>host.name.*</c>, <c>host.cluster</c>, <c>cluster.not_found</c>, <c>bootstrap.registrar.*</c>, <c>preparation.without</c>.
    /// </summary>
    /// <returns>The operation's id.</returns>
    public async Task<Outcome<Guid>> StartAsync(Caller caller, PreparationRequest request, SshCredentials credentials, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(credentials);
        var id = Guid.CreateVersion7();
        var recorded = false;
        try
        {
            var outcome = await desk.RunAsync(caller, Permission.ManageHosts, TargetOf(request.Address, request.Port), step => RecordAsync(step, id, request, credentials), ct);
            if (!outcome.Succeeded)
            {
                return outcome;
            }

            services.Begin(id, credentials);
            recorded = true;
        }
        finally
        {
            if (!recorded)
            {
                credentials.Dispose();
            }
        }

        await queue.EnqueueAsync(id, CancellationToken.None);
        return id;
    }

    private async Task<Outcome<Guid>> RecordAsync(ClusterStep step, Guid id, PreparationRequest request, SshCredentials credentials)
    {
        if ((SshReach.Fault(request.Address, request.Port) ?? credentials.Fault() ?? scripts.Make(new()).Refusal) is { } fault)
        {
            return fault;
        }

        if (request.Without.Any(check => check is not ("secure-boot" or "libvirt")))
        {
            return Refusal.Invalid("preparation.without", "without", "Only secure-boot and libvirt can be gone without.", "Leave the others out.");
        }

        var expected = await EnrolmentTickets.CheckAsync(step, new HostToEnrol(request.HostName, request.ClusterId));
        if (!expected.Succeeded)
        {
            return expected.Refusal;
        }

        var place = Place(request.Address);
        var pinned = await step.Db.SshHostKeys.SingleOrDefaultAsync(k => k.Address == place && k.Port == request.Port, step.Ct);
        if (pinned is not null && pinned.Fingerprint != request.Fingerprint)
        {
            return SshReach.Changed(request.Address, request.Port, pinned.Fingerprint, request.Fingerprint);
        }

        if (pinned is null)
        {
            step.Db.SshHostKeys.Add(new SshHostKey { Address = place, Port = request.Port, Fingerprint = request.Fingerprint, Kind = request.KeyKind, ConfirmedBy = step.Person.Name, ConfirmedAt = step.Now });
            step.Audit("ssh.host_key.confirmed", $"{step.Person.Name} confirmed the SSH host key SHA256:{request.Fingerprint} of {request.Address}:{request.Port}.");
        }

        var (name, work) = (expected.Value.HostName, new PreparationWork(request with { HostName = expected.Value.HostName }, credentials.User));
        step.About(new AuditTarget(PreparationWork.TargetKind, id, name));
        var title = Title(request.Mode, name);
        step.Db.Operations.Add(new Operation
        {
            Id = id,
            Kind = PreparationWork.Kind,
            Title = title,
            TargetKind = PreparationWork.TargetKind,
            TargetId = id,
            TargetName = name,
            Data = JsonSerializer.Serialize(work),
            Steps = runner.InitialSteps(PreparationWork.Kind),
            Issuer = step.Person.Issuer,
            Subject = step.Person.Subject,
            PersonName = step.Person.Name,
            CreatedAt = step.Now,
        });
        step.Audit("host.preparation_started", $"{step.Person.Name} started: {title}, on {request.Address}:{request.Port} as {credentials.User}.");
        step.Changes.Add(Change.Of(ChangeTopic.Operation, id));
        return id;
    }

    private static string Title(PreparationMode mode, string host) => mode switch
    {
        PreparationMode.Try => $"Try what preparing {host} does",
        PreparationMode.Prepare => $"Prepare the host {host}",
        PreparationMode.Undo => $"Undo the preparation of {host}",
    };

    private static string Place(string address) => address.ToLowerInvariant();

    private static AuditTarget TargetOf(string address, int port) => new("ssh", null, HostScript.IsAddress(address) ? $"{address}:{port}" : "an address");
}
