using System.Security.Claims;
using Portal.Core.Access;
using Portal.Profiles;

namespace Portal.Identity;

/// <summary>The few claims the portal keeps of a person, and the way from them to a <see cref="Caller"/>.</summary>
public static class CallerClaims
{
    public const string Issuer = "iss";
    public const string Subject = "sub";
    public const string Name = "name";
    public const string Role = "role";

    /// <summary>The session's id.</summary>
    public const string Session = "session";

    /// <summary>When the session ends whatever happens, in seconds since 1970.</summary>
    public const string SessionEnds = "session_ends";

    /// <summary>The caller a principal stands for; null when nobody is signed in.</summary>
    public static Caller? ToCaller(this ClaimsPrincipal principal)
    {
        if (principal.Identity is not { IsAuthenticated: true }
            || principal.FindFirst(Issuer)?.Value is not { Length: > 0 } issuer
            || principal.FindFirst(Subject)?.Value is not { Length: > 0 } subject)
        {
            return null;
        }

        var roles = principal.FindAll(Role).Select(c => Enum.TryParse<Role>(c.Value, out var role) ? role : (Role?)null).OfType<Role>();
        return Caller.With(new Person(issuer, subject, principal.FindFirst(Name)?.Value ?? subject), roles);
    }

    /// <summary>Id and end of the session a principal signed in with; null when it names none, which is no session.</summary>
    public static (string Id, DateTimeOffset Ends)? ToSession(this ClaimsPrincipal principal) =>
        principal.FindFirst(Session)?.Value is { Length: > 0 } id
            && long.TryParse(principal.FindFirst(SessionEnds)?.Value, System.Globalization.CultureInfo.InvariantCulture, out var ends)
            ? (id, DateTimeOffset.FromUnixTimeSeconds(ends))
            : null;

    /// <summary>A principal with the portal's own claims only.</summary>
    public static ClaimsPrincipal Of(Person person, IEnumerable<Role> roles, string authenticationType) =>
        new(new ClaimsIdentity(
            [
                new Claim(Issuer, person.Issuer),
                new Claim(Subject, person.Subject),
                new Claim(Name, person.Name),
                .. roles.Distinct().Select(r => new Claim(Role, r.ToString())),
            ],
            authenticationType,
            Name,
            Role));

    /// <summary>What the provider said, brought to the portal's own claims; the rest (oi_*, tokens' housekeeping) is dropped.</summary>
    /// <returns>Null when the provider named no issuer or no subject.</returns>
    public static ClaimsPrincipal? FromProvider(ClaimsPrincipal said, IdentitySettings settings, string authenticationType)
    {
        if (said.FindFirst("iss")?.Value is not { Length: > 0 } issuer || said.FindFirst("sub")?.Value is not { Length: > 0 } subject)
        {
            return null;
        }

        string?[] names = [said.FindFirst(settings.NameClaim)?.Value, said.FindFirst("preferred_username")?.Value, said.FindFirst("email")?.Value, said.FindFirst("name")?.Value];
        var name = names.FirstOrDefault(n => !string.IsNullOrWhiteSpace(n)) ?? subject;
        var words = said.FindAll(settings.RolesClaim).Select(c => c.Value).ToHashSet(StringComparer.Ordinal);
        var roles = Enum.GetValues<Role>().Where(role => settings.Roles.TryGetValue(role.ToString(), out var word)
            ? words.Contains(word)
            : words.Contains(role.ToString(), StringComparer.OrdinalIgnoreCase));
        return Of(new Person(issuer, subject, name), roles, authenticationType);
    }
}
