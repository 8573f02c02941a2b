using Portal.Core.Access;

namespace Portal.Core.Inventory;

/// <summary>The ways a command on clusters says no.</summary>
internal static class ClusterRefusals
{
    public static Refusal NameTaken(string name) => new(
        "cluster.name.taken", RefusalKind.Conflict, $"There is a cluster '{name}' already.", "Choose another name.", "name");

    public static Refusal LooserThanDefault(IEnumerable<PolicyDifference> looser) => Refusal.Invalid(
        "cluster.policy.looser_than_default",
        looser.First().Field,
        $"A new cluster begins with the default trust policy or a stricter one; this is looser: {PolicyWords.Story(looser)}.",
        "Create it with the default and propose the looser policy afterwards: a second person confirms it.");

    public static Refusal NotEmpty(string name, int hosts, int vms) => Refusal.Conflict(
        "cluster.not_empty",
        $"Cluster {name} still has {Count(hosts, "host")} and {Count(vms, "virtual machine")}.",
        "Move its hosts to another cluster and delete its virtual machines first.");

    public static Refusal? UnknownService(ServiceSet services, IReadOnlyDictionary<Guid, string> servers) =>
        services.Outside.FirstOrDefault(s => !servers.ContainsKey(s.ServiceId)) is not { } unknown
            ? null
            : Refusal.Invalid("cluster.policy.services.unknown", "services", $"There is no attestation service '{unknown.ServiceId}'.", "Name services that exist.");

    public static Refusal Meanwhile(string name) => Refusal.Conflict(
        "cluster.policy.meanwhile", $"The trust policy of {name} changed since you opened it.", "Look at the policy that is in force now and repeat your change on it.");

    public static Refusal SettingsMeanwhile(string code, string name) => Refusal.Conflict(
        code, $"These settings of {name} changed since you opened them.", "Look at what is in force now and repeat your change on it.");

    public static Refusal ProposalWaiting(PolicyProposal waiting) => Refusal.Conflict(
        "cluster.proposal.waiting",
        $"A looser policy proposed by {waiting.PersonName} waits for a second person already.",
        "Have that one confirmed, rejected or withdrawn first.");

    public static Refusal ProposalGone() => new(
        "cluster.proposal.not_found", RefusalKind.NotFound, "This proposal does not wait any more.", "Look again: it was confirmed, rejected, withdrawn or overtaken.");

    public static Refusal ProposalVoid(string name) => Refusal.Conflict(
        "cluster.proposal.void",
        $"The proposal is void: the trust policy of {name} or its baselines changed since it was written.",
        "Propose it again on the policy that is in force now.");

    public static Refusal OwnProposal(Person person) => new(
        "cluster.proposal.own", RefusalKind.Forbidden, $"{person.Name} proposed this and cannot confirm it.", "Ask somebody else with the role administrator or security.");

    public static Refusal HostHasVms(string host, int vms) => Refusal.Conflict(
        "host.move.vms", $"Host {host} carries {Count(vms, "virtual machine")}.", "Move or delete them first: a virtual machine never changes its cluster with its host.");

    public static Refusal HostClaimed(string host) => Refusal.Conflict(
        "host.move.claimed", $"Host {host} is just being claimed for a virtual machine.", "Wait until that operation has ended, then try again.");

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";
}
