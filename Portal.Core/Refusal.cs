namespace Portal.Core;

/// <summary>What sort of "no" a <see cref="Refusal"/> is. REST maps it to a status; pages to a tone.</summary>
public enum RefusalKind
{
    /// <summary>The input is wrong; the caller can mend it (HTTP 400).</summary>
    Invalid,

    /// <summary>The caller may not do this (HTTP 403).</summary>
    Forbidden,

    /// <summary>The thing named does not exist (HTTP 404).</summary>
    NotFound,

    /// <summary>The state of the world does not allow it now (HTTP 409).</summary>
    Conflict,

    /// <summary>A part that is needed does not answer now (HTTP 503).</summary>
    Unavailable,
}

/// <summary>
/// A domain failure as a value: the same code shows in the page, the REST fault and the audit row.
/// </summary>
/// <param name="Code">Stable, dotted, lower case, for example <c>vm.name.taken</c>.</param>
/// <param name="Kind">What sort of failure it is.</param>
/// <param name="Sentence">What happened and why, one sentence for a person.</param>
/// <param name="Remedy">What to do about it, one sentence; never empty.</param>
/// <param name="Field">The input field at fault, in the words of the REST API (for example <c>cluster.id</c>), if one is.</param>
public sealed record Refusal(string Code, RefusalKind Kind, string Sentence, string Remedy, string? Field = null)
{
    /// <summary>Sentence and remedy in one text.</summary>
    public override string ToString() => $"{Sentence} {Remedy}";

    /// <summary>An input field that is wrong.</summary>
    public static Refusal Invalid(string code, string field, string sentence, string remedy) =>
        new(code, RefusalKind.Invalid, sentence, remedy, field);

    /// <summary>Something that does not exist.</summary>
    public static Refusal NotFound(string what, string name) =>
        new($"{what}.not_found", RefusalKind.NotFound, $"There is no {what} '{name}'.", "Check the name or id; it may have been removed.");

    /// <summary>The state of the world does not allow it.</summary>
    public static Refusal Conflict(string code, string sentence, string remedy) =>
        new(code, RefusalKind.Conflict, sentence, remedy);
}

/// <summary>A value or the reason why there is none. Exceptions are for bugs and broken I/O.</summary>
/// <typeparam name="T">The value's type.</typeparam>
public readonly struct Outcome<T>
{
    private readonly T? value;

    private Outcome(T? value, Refusal? refusal) => (this.value, Refusal) = (value, refusal);

    /// <summary>Why there is no value; null when there is one.</summary>
    public Refusal? Refusal { get; }

    /// <summary>Whether there is a value.</summary>
    [System.Diagnostics.CodeAnalysis.MemberNotNullWhen(false, nameof(Refusal))]
    public bool Succeeded => Refusal is null;

    /// <summary>The value.</summary>
    /// <exception cref="InvalidOperationException">The outcome is a refusal: a bug in the caller.</exception>
    public T Value => Refusal is null ? value! : throw new InvalidOperationException($"No value: {Refusal.Code}");

    internal static Outcome<T> From(T value) => new(value, null);

    /// <summary>Wraps a value.</summary>
    public static implicit operator Outcome<T>(T value) => new(value, null);

    /// <summary>Wraps a refusal.</summary>
    public static implicit operator Outcome<T>(Refusal refusal) => new(default, refusal);
}

/// <summary>Makes outcomes where the language cannot infer them.</summary>
public static class Outcome
{
    /// <summary>Wraps a value; for interface types, which have no implicit conversion.</summary>
    public static Outcome<T> Of<T>(T value) => Outcome<T>.From(value);
}

/// <summary>The value of an outcome that has nothing to say but "done".</summary>
public readonly record struct Done
{
    /// <summary>The one value.</summary>
    public static Done Value => default;
}
