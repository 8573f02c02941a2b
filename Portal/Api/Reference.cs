using Portal.Core;

namespace Portal.Api;

/// <summary>A thing a request points at, by id, by name, or by both when they agree.</summary>
/// <param name="Id">The id as written.</param>
/// <param name="Name">The name as written.</param>
internal sealed record Reference(string? Id, string? Name)
{
    /// <summary>Reads <c>cluster</c> with its id or name; null when there is neither.</summary>
    public static Reference? Read(FieldReader fields, string field)
    {
        var reference = new Reference(fields.Word($"{field}.id"), fields.Word($"{field}.name"));
        return reference is { Id: null, Name: null } ? null : reference;
    }

    /// <summary>Finds it among what exists.</summary>
    /// <param name="what">Which field it is: <c>cluster</c>.</param>
    /// <param name="known">What exists.</param>
    public Outcome<Guid> Among(string what, IEnumerable<(Guid Id, string Name)> known)
    {
        var matching = known.Where(k => Id is null || (Guid.TryParse(Id, out var id) && id == k.Id)).ToList();
        if (matching.Count == 0 || (Id is null && matching.TrueForAll(k => k.Name != Name)))
        {
            var (field, written) = Id is null ? ("name", Name) : ("id", Id);
            return Refusal.Invalid($"vm.{what}.unknown", $"{what}.{field}", $"There is no {what} '{FieldReader.Short(written ?? "")}'.", $"Name a {what} that exists.");
        }

        if (Name is null)
        {
            return matching[0].Id;
        }

        var named = matching.FindIndex(k => k.Name == Name);
        return named >= 0
            ? matching[named].Id
            : Refusal.Invalid($"vm.{what}.ambiguous", what, $"'{what}.id' and '{what}.name' point at different things.", "Give one of them.");
    }
}
