using Portal.Components.Attestation;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Extensions;

namespace Portal.Components.AttestationServices;

/// <summary>What attestation services have to say to "Needs attention": down, drifted, not published, or a change that waits for whoever looks.</summary>
internal static class ServiceAttention
{
    public static async Task<IReadOnlyList<AttentionLine>> FindAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var rows = await services.GetRequiredService<TrustBoard>().Services.GetAsync(ct);
        return [.. rows.Where(r => r.Server is not null).SelectMany(row => Lines(row, caller)).OrderByDescending(line => line.Tone is Tone.Bad)];
    }

    private static IEnumerable<AttentionLine> Lines(ServiceRow row, Caller caller)
    {
        if (row is { Standing.IsDown: true, Clusters.Count: > 0 })
        {
            var hosts = row.Clusters.Sum(c => c.Bound);
            yield return new AttentionLine(
                Tone.Bad,
                $"The attestation service {row.Name} does not answer",
                $"{row.Standing.Fault.TrimEnd('.')}; {(hosts == 1 ? "the host it verifies runs" : $"the {hosts:N0} hosts it verifies run")} stale, and nothing is moved",
                row.Standing.FailingSince,
                "Look why",
                ServiceLook.Href(row.Id));
        }

        foreach (var cluster in ServiceLook.NotAsApproved(row))
        {
            var publication = cluster.Publication!;
            yield return new AttentionLine(
                publication.State.Tone(),
                publication.State is PublicationState.Drifted
                    ? $"{row.Name} was changed behind our back"
                    : $"What is approved in {cluster.Name} is not published to {row.Name}",
                publication.Sentence.TrimEnd('.'),
                publication.CheckedAt,
                "Look at it",
                ServiceLook.Href(row.Id));
        }

        if (row is { Proposal: { } proposal, Server: { } server } && proposal.AgainstVersion == server.Version && caller.May(Permission.ManageClusters) && !proposal.IsBy(caller.Person))
        {
            yield return new AttentionLine(Tone.Old, $"A change of the attestation service {row.Name} waits for you", $"proposed by {proposal.PersonName}", proposal.At, "Look at it", ServiceLook.Href(row.Id));
        }
    }
}
