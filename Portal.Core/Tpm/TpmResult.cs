using System.Diagnostics.CodeAnalysis;

namespace Portal.Core.Tpm;

/// <summary>A value, or the reason there is none. Bytes from outside never cause an exception in this room.</summary>
/// <typeparam name="T">What success gives.</typeparam>
public readonly struct TpmResult<T>
    where T : class
{
    private readonly T? _value;
    private readonly TpmRefusal? _refusal;

    private TpmResult(T? value, TpmRefusal? refusal)
    {
        _value = value;
        _refusal = refusal;
    }

    /// <summary>Whether there is a value.</summary>
    public bool IsAccepted => _value is not null;

    /// <summary>The value. Asking a refused result for it is a bug and throws <see cref="InvalidOperationException"/>.</summary>
    public T Value => _value ?? throw new InvalidOperationException($"Refused: {Refusal}");

    /// <summary>Why there is no value; null when there is one.</summary>
    public TpmRefusal? Refusal => _value is null ? _refusal ?? TpmRefusal.NothingGiven : null;

    /// <summary>The value and true, or the refusal and false.</summary>
    /// <param name="value">Set when true.</param>
    /// <param name="refusal">Set when false.</param>
    public bool TryGet([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out TpmRefusal? refusal)
    {
        value = _value;
        refusal = Refusal;
        return value is not null;
    }

    /// <summary>Success.</summary>
    /// <param name="value">What was asked for.</param>
    [SuppressMessage("Usage", "CA2225", Justification = "A result is built by returning one side of it.")]
    public static implicit operator TpmResult<T>(T value) => new(value, null);

    /// <summary>Refusal.</summary>
    /// <param name="refusal">Why.</param>
    [SuppressMessage("Usage", "CA2225", Justification = "A result is built by returning one side of it.")]
    public static implicit operator TpmResult<T>(TpmRefusal refusal) => new(null, refusal);
}
