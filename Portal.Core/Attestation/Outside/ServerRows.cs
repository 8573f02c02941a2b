using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.Outside;

/// <summary>What a server calls a host: confirmed by a person, for whoever chooses the name chooses whose evidence counts.</summary>
public sealed class HostOnServer
{
    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The server's name for it, unique on the server.</summary>
    public required string Name { get; set; }

    /// <summary>When that was confirmed.</summary>
    public required DateTimeOffset BoundAt { get; set; }

    /// <summary>By whom.</summary>
    public required string BoundBy { get; set; }
}

/// <summary>Another address or authority for a server; it waits for a second person. At most one per server.</summary>
public sealed class ServerProposal
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>The version it was written against; a proposal against another is void.</summary>
    public required long AgainstVersion { get; init; }

    /// <summary>See <see cref="ServerEndpoint.Address"/>.</summary>
    public required string Address { get; init; }

    /// <summary>See <see cref="ServerEndpoint.RegistrarAddress"/>.</summary>
    public required string RegistrarAddress { get; init; }

    /// <summary>See <see cref="ServerEndpoint.Authority"/>.</summary>
    public required string Authority { get; init; }

    /// <summary>See <see cref="ServerEndpoint.ChecksName"/>.</summary>
    public required bool ChecksName { get; init; }

    /// <summary>Who proposed it: issuer.</summary>
    public required string Issuer { get; init; }

    /// <summary>Who proposed it: subject.</summary>
    public required string Subject { get; init; }

    /// <summary>Who proposed it: name.</summary>
    public required string PersonName { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>How the server would be reached and known.</summary>
    public ServerEndpoint Endpoint => new(Address, RegistrarAddress, Authority, ChecksName);

    /// <summary>Whether a person is the one who proposed it: such a person may withdraw it, never confirm it.</summary>
    public bool IsBy(Person person) => person.Is(new Person(Issuer, Subject, PersonName));
}

/// <summary>Whether a server keeps what is approved for a cluster.</summary>
public enum PublicationState
{
    /// <summary>Not looked at yet, or what is approved changed since.</summary>
    Waiting,

    /// <summary>The server kept exactly what is approved when it was read last.</summary>
    Verified,

    /// <summary>It kept it once and does not any more: somebody edited it behind our back.</summary>
    Drifted,

    /// <summary>Writing it failed; what was there before was put back where that was possible.</summary>
    Failed,

    /// <summary>What is approved cannot be said in the server's terms.</summary>
    Refused,
}

/// <summary>How a server stands to what is approved for one cluster whose policies the portal keeps there.</summary>
public sealed class Publication
{
    /// <summary>The cluster.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>How it stands.</summary>
    public PublicationState State { get; set; }

    /// <summary>The policy revision of the cluster that was verified, or tried.</summary>
    public long PolicyRevision { get; set; }

    /// <summary>Why, for a person; empty when verified.</summary>
    public string Sentence { get; set; } = "";

    /// <summary>What to do; empty when nothing need be done.</summary>
    public string Remedy { get; set; } = "";

    /// <summary>When the server was last read for it.</summary>
    public DateTimeOffset? CheckedAt { get; set; }

    /// <summary>When something was last written there: evidence from before says nothing of what is kept now.</summary>
    public DateTimeOffset? WrittenAt { get; set; }

    /// <summary>The operation that writes it, or wrote it last.</summary>
    public Guid? OperationId { get; set; }

    /// <summary>Whether the server's word counts for hosts of the cluster under a policy revision.</summary>
    public bool IsVerifiedAt(long policyRevision) => State == PublicationState.Verified && PolicyRevision == policyRevision;
}

/// <summary>One policy that we made a server keep for a cluster: which one a host has is ours to remember, not every server tells.</summary>
public sealed class PublishedPolicy
{
    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>The key; see <see cref="ServerPolicy.Key"/>.</summary>
    public required string Key { get; init; }

    /// <summary>The cluster it is for.</summary>
    public required Guid ClusterId { get; set; }

    /// <summary>The host, where it concerns only one.</summary>
    public Guid? HostId { get; set; }

    /// <summary>For a person.</summary>
    public required string Title { get; set; }

    /// <summary>Canonical text of what was read back.</summary>
    public required string Content { get; set; }

    /// <summary>When it was read back.</summary>
    public required DateTimeOffset At { get; set; }
}
