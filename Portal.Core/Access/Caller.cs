namespace Portal.Core.Access;

/// <summary>Somebody who acts. Two people are the same person when issuer and subject are equal; names are for display only.</summary>
/// <param name="Issuer">The identity provider that vouches for the subject (OpenID Connect <c>iss</c>).</param>
/// <param name="Subject">The provider's stable identifier (OpenID Connect <c>sub</c>).</param>
/// <param name="Name">What to show, for example <c>admin@internal</c>.</param>
public sealed record Person(string Issuer, string Subject, string Name)
{
    /// <summary>The portal itself: rounds, recovery, reactions.</summary>
    public static Person Portal { get; } = new("portal", "portal", "the portal");

    /// <summary>Whether both are the same person (issuer and subject; ordinal).</summary>
    public bool Is(Person other) =>
        string.Equals(Issuer, other.Issuer, StringComparison.Ordinal) && string.Equals(Subject, other.Subject, StringComparison.Ordinal);
}

/// <summary>A role as the identity provider grants it.</summary>
public enum Role
{
    /// <summary>Runs hosts, clusters and VMs; proposes trust policy. Writes and approves no baselines.</summary>
    Administrator,

    /// <summary>Creates and runs VMs.</summary>
    Operator,

    /// <summary>Writes and approves baselines; confirms looser trust policy.</summary>
    Security,

    /// <summary>Reads everything, changes nothing.</summary>
    Auditor,
}

/// <summary>The person behind a command, with their roles at this moment.</summary>
/// <param name="Person">Who.</param>
/// <param name="Roles">What they are.</param>
public sealed record Caller(Person Person, IReadOnlySet<Role> Roles)
{
    /// <summary>A caller with the given roles.</summary>
    public static Caller With(Person person, params IEnumerable<Role> roles) => new(person, roles.ToHashSet());

    /// <summary>The sign-in behind it; null for a caller who proves who they are with every request.</summary>
    public Session? Session { get; init; }

    /// <summary>Whether one of the caller's roles grants the permission. A session that is over may nothing.</summary>
    public bool May(Permission permission) => Session is not { IsOver: true } && Roles.Any(role => Permissions.Of(role).Contains(permission));
}
