using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.Outside;

/// <summary>Makes of a server's statement a report under the policy of a cluster: whether its word counts at all is decided here.</summary>
/// <param name="serverId">The server.</param>
/// <param name="serverName">Its name, for sentences.</param>
/// <param name="policy">The cluster's policy.</param>
/// <param name="publication">How the server stands to what is approved there; null before it was looked at.</param>
/// <param name="comparedAt">Since when the server is known to keep what is approved for a host under the name it has there; hosts whose own policies were not compared yet are not in it.</param>
internal sealed class ServerWord(Guid serverId, string serverName, AppraisalPolicy policy, Publication? publication, IReadOnlyDictionary<Guid, DateTimeOffset> comparedAt)
{
    // What the server trusts by is only told apart where one approved revision of a kind applies.
    private readonly Lazy<IReadOnlyList<ApprovedRevision>> matched = new(() =>
        [.. PolicyWords.KindsIn(policy.Set.RequiredKinds).Select(kind => policy.Set.Revisions.Where(r => r.Kind == kind).ToList()).Where(r => r.Count == 1).Select(r => r[0])]);

    /// <summary>The report; null when the statement changes nothing.</summary>
    /// <param name="statement">What the server said.</param>
    /// <param name="name">The name of the host there under which it said it; null when it has none.</param>
    /// <param name="askedAt">When it was asked.</param>
    /// <param name="purpose">Why.</param>
    public AttestationReport? Report(HostStatement statement, string? name, DateTimeOffset askedAt, AttestationPurpose purpose)
    {
        var report = new AttestationReport(statement.HostId, purpose, askedAt, CheckOutcome.Ok, policy.Set.PolicyRevision, policy.Lifetime, policy.ForgetAfter)
        {
            ClusterId = policy.Set.ClusterId,
            ServiceId = serverId,
            NameThere = name,
        };
        return statement switch
        {
            HostStatement.NothingNew => null,
            HostStatement.Trouble trouble => report with { Outcome = trouble.Outcome, Trouble = trouble.Why },
            _ when policy.Set.RequiredKinds == BaselineKinds.None => report with { Appraisal = new Appraisal(Verdict.Untrusted, [NothingRequired()], []) },
            _ when DoesNotCount(statement.HostId) is { } why => report with { Outcome = CheckOutcome.ProtocolError, Trouble = why },
            HostStatement.Untrusted no => report with { IsRepeated = !no.IsNew, Appraisal = new Appraisal(Verdict.Untrusted, no.Findings, []) },
            HostStatement.Trusted yes when IsBeforeWriting(yes) => null,
            HostStatement.Trusted yes => report with { VerifiedAt = yes.VerifiedAt, AppearedAfter = yes.AppearedAfter, Appraisal = new Appraisal(Verdict.Trusted, yes.Notes, KeptByPortal ? matched.Value : []) },
            _ => throw new InvalidOperationException($"Unknown statement {statement.GetType().Name}."),
        };
    }

    /// <summary>The report that the server itself does not answer.</summary>
    public AttestationReport Silent(BoundHost host, ServerException fault, DateTimeOffset askedAt, AttestationPurpose purpose) =>
        Report(
            new HostStatement.Trouble(
                host.HostId,
                CheckOutcome.ServiceUnreachable,
                new Finding(FindingCode.ServiceSilent, $"{serverName} cannot say anything of this host: {fault.Message}", fault.Remedy) { Short = $"{serverName} does not answer" }),
            host.Name,
            askedAt,
            purpose)!;

    private bool KeptByPortal => policy.Services.Of(serverId) is { Keeper: PolicyKeeper.Portal };

    /// <summary>Evidence from before the last writing was compared with what was kept then; so was a host's from before its own policies were read.</summary>
    private bool IsBeforeWriting(HostStatement.Trusted yes) =>
        KeptByPortal && (publication?.WrittenAt > yes.VerifiedAt || (comparedAt.TryGetValue(yes.HostId, out var since) && since > yes.VerifiedAt));

    private Finding? DoesNotCount(Guid hostId)
    {
        var isVerified = publication?.IsVerifiedAt(policy.Set.PolicyRevision) == true;
        if (!KeptByPortal || (isVerified && comparedAt.ContainsKey(hostId)))
        {
            return null;
        }

        var (sentence, remedy, few) = publication?.State switch
        {
            PublicationState.Drifted => ($"{serverName} does not keep what is approved here any more: {publication.Sentence}", publication.Remedy, $"{serverName} was changed behind our back"),
            PublicationState.Failed or PublicationState.Refused => ($"{serverName} does not keep what is approved here: {publication.Sentence}", publication.Remedy, $"not published to {serverName}"),
            _ => ($"What is approved here is being published to {serverName}; until that is done its word does not count.", "Wait for the operation, or look at the service's page.", $"being published to {serverName}"),
        };
        return new Finding(FindingCode.ServerNotAsApproved, sentence, remedy) { Short = few };
    }

    private static Finding NothingRequired() =>
        new(FindingCode.NothingRequired, "The cluster requires no kind of baseline, so no host of it can be trusted.", "Require at least one kind in the cluster's trust policy.") { Short = "the cluster requires no baseline" };
}
