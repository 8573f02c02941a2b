using System.Text.Json;
using Portal.Core.Access;

namespace Portal.Core.Inventory;

/// <summary>How much a VM asks of the host it runs on.</summary>
public enum TrustLevel
{
    /// <summary>Any host of the cluster.</summary>
    Any,

    /// <summary>Only a host that is trusted and freshly attested, at create, start and migrate.</summary>
    Trusted,
}

/// <summary>Trust levels as a set. OpenStack's and oVirt's 2012 drafts call the same words <c>trust_level</c>.</summary>
[Flags]
public enum TrustLevels
{
    /// <summary>None: nothing can be created.</summary>
    None = 0,

    /// <summary><see cref="TrustLevel.Any"/>.</summary>
    Any = 1,

    /// <summary><see cref="TrustLevel.Trusted"/>.</summary>
    Trusted = 2,
}

/// <summary>Kinds of baseline as a set; a host must match one approved baseline of every kind its cluster requires.</summary>
[Flags]
public enum BaselineKinds
{
    /// <summary>No kind: such a cluster trusts nobody.</summary>
    None = 0,

    /// <summary>Platform firmware (OpenAttestation: BIOS MLE).</summary>
    Firmware = 1,

    /// <summary>Boot loader, kernel and hypervisor (OpenAttestation: VMM MLE).</summary>
    Hypervisor = 2,

    /// <summary>Files used while the host runs, as the kernel's IMA measures them.</summary>
    Runtime = 4,
}

/// <summary>The trust policy of a cluster: what is required, and how long an appraisal counts.</summary>
/// <param name="RequiredKinds">Kinds of baseline that must each match. None means nobody is trusted.</param>
/// <param name="Lifetime">How long a verdict stays fresh after its nonce was issued; at most 24 h.</param>
/// <param name="Interval">Time between attestation rounds.</param>
/// <param name="MaxAgeAtStart">Oldest evidence that still counts when a VM that requires trust is created, started or migrated; zero asks the host each time.</param>
/// <param name="ForgetAfter">How long a stale verdict is shown as Stale before it becomes Unknown.</param>
public sealed record TrustPolicy(BaselineKinds RequiredKinds, TimeSpan Lifetime, TimeSpan Interval, TimeSpan MaxAgeAtStart, TimeSpan ForgetAfter)
{
    /// <summary>The attestation services that must all trust a host.</summary>
    public ServiceSet Services { get; init; } = ServiceSet.BuiltIn;

    /// <summary>Both kinds, ten minutes, a round a minute, a minute at start, a day.</summary>
    public static TrustPolicy Default { get; } = new(
        BaselineKinds.Firmware | BaselineKinds.Hypervisor,
        TimeSpan.FromMinutes(10),
        TimeSpan.FromMinutes(1),
        TimeSpan.FromMinutes(1),
        TimeSpan.FromHours(24));

    /// <summary>Whether this policy trusts in any respect more readily than the other: such a change takes two people.</summary>
    public bool IsLooserThan(TrustPolicy other) =>
        (other.RequiredKinds & ~RequiredKinds) != 0 || Lifetime > other.Lifetime || MaxAgeAtStart > other.MaxAgeAtStart || other.Services.IsLoosenedBy(Services);

    /// <summary>The same policy as it is kept: without fractions of a second.</summary>
    public TrustPolicy InWholeSeconds() => this with
    {
        Lifetime = Whole(Lifetime),
        Interval = Whole(Interval),
        MaxAgeAtStart = Whole(MaxAgeAtStart),
        ForgetAfter = Whole(ForgetAfter),
    };

    private static TimeSpan Whole(TimeSpan time) => TimeSpan.FromSeconds((long)time.TotalSeconds);
}

/// <summary>Hosts that share a trust policy and between which VMs move.</summary>
public sealed class Cluster
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>What it is for.</summary>
    public string Description { get; set; } = "";

    /// <summary>Kinds of baseline that must each match.</summary>
    public BaselineKinds RequiredKinds { get; private set; }

    /// <summary>How long a verdict stays fresh, in seconds.</summary>
    public int LifetimeSeconds { get; private set; }

    /// <summary>Time between rounds, in seconds.</summary>
    public int IntervalSeconds { get; private set; }

    /// <summary>Oldest evidence that counts at start, in seconds; 0 asks each time.</summary>
    public int MaxAgeAtStartSeconds { get; private set; }

    /// <summary>How long Stale is shown before Unknown, in seconds.</summary>
    public int ForgetAfterSeconds { get; private set; }

    /// <summary>The attestation services that must all trust a host, as <see cref="ServiceSet.ToText"/> writes them; empty in rows from before there were servers.</summary>
    public string Services { get; private set; } = "";

    /// <summary>Raised whenever what counts as trusted here changes. An appraisal under another revision does not count.</summary>
    public long PolicyRevision { get; set; } = 1;

    /// <summary>Trust levels VMs of this cluster may have.</summary>
    public TrustLevels AllowedLevels { get; set; } = TrustLevels.Any | TrustLevels.Trusted;

    /// <summary>What happens when a host loses trust, as <see cref="ReactionPolicy.ToText"/> writes it; empty is the default.</summary>
    public string ReactionText { get; private set; } = "";

    /// <summary>How VMs move, as <see cref="MigrationSettings.ToText"/> writes it; empty is the default.</summary>
    public string MigrationText { get; private set; } = "";

    /// <summary>What happens when a host loses trust.</summary>
    public ReactionPolicy Reaction
    {
        get => ReactionPolicy.Parse(ReactionText);
        set => ReactionText = value.ToText();
    }

    /// <summary>How VMs move between its hosts.</summary>
    public MigrationSettings Migration
    {
        get => MigrationSettings.Parse(MigrationText);
        set => MigrationText = value.ToText();
    }

    /// <summary>The policy in force.</summary>
    public TrustPolicy Policy => new(
        RequiredKinds,
        TimeSpan.FromSeconds(LifetimeSeconds),
        TimeSpan.FromSeconds(IntervalSeconds),
        TimeSpan.FromSeconds(MaxAgeAtStartSeconds),
        TimeSpan.FromSeconds(ForgetAfterSeconds))
    {
        Services = ServiceSet.Parse(Services),
    };

    /// <summary>Whether VMs of this level may live here.</summary>
    public bool Allows(TrustLevel level) => level switch
    {
        TrustLevel.Any => AllowedLevels.HasFlag(TrustLevels.Any),
        TrustLevel.Trusted => AllowedLevels.HasFlag(TrustLevels.Trusted),
    };

    /// <summary>Puts a policy in force and raises the revision.</summary>
    public void Apply(TrustPolicy policy)
    {
        Set(policy);
        PolicyRevision++;
    }

    /// <summary>A new cluster with its policy.</summary>
    public static Cluster Create(string name, TrustPolicy policy)
    {
        var cluster = new Cluster { Name = name };
        cluster.Set(policy);
        return cluster;
    }

    private void Set(TrustPolicy policy)
    {
        RequiredKinds = policy.RequiredKinds;
        LifetimeSeconds = (int)policy.Lifetime.TotalSeconds;
        IntervalSeconds = (int)policy.Interval.TotalSeconds;
        MaxAgeAtStartSeconds = (int)policy.MaxAgeAtStart.TotalSeconds;
        ForgetAfterSeconds = (int)policy.ForgetAfter.TotalSeconds;
        Services = policy.Services.ToText();
    }
}

/// <summary>A looser policy somebody proposed; it waits for a second person.</summary>
public sealed class PolicyProposal
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The cluster; at most one proposal waits per cluster.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>The revision it was written against; a proposal against another is void.</summary>
    public required long AgainstRevision { get; init; }

    /// <summary>The proposed policy, as JSON of <see cref="TrustPolicy"/>.</summary>
    public required string Policy { get; init; }

    /// <summary>Who proposed it: issuer.</summary>
    public required string Issuer { get; init; }

    /// <summary>Who proposed it: subject.</summary>
    public required string Subject { get; init; }

    /// <summary>Who proposed it: name.</summary>
    public required string PersonName { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The proposed policy, read.</summary>
    /// <exception cref="JsonException">The row was written by something else.</exception>
    public TrustPolicy ReadPolicy() => JsonSerializer.Deserialize<TrustPolicy>(Policy) ?? throw new JsonException($"Proposal {Id} holds no policy.");

    /// <summary>Whether a person is the one who proposed it: such a person may withdraw it, never confirm it.</summary>
    public bool IsBy(Person person) => person.Is(new Person(Issuer, Subject, PersonName));

    /// <summary>Whether the cluster's revision moved since it was written: nobody can confirm it any more.</summary>
    public bool IsVoidFor(Cluster cluster) => AgainstRevision != cluster.PolicyRevision;
}
