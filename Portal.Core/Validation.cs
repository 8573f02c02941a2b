using FluentValidation;

namespace Portal.Core;

/// <summary>Turns the first validation failure into a refusal that names the field.</summary>
internal static class Validation
{
    public static Refusal? Check<T>(this AbstractValidator<T> validator, T input, string code)
    {
        var result = validator.Validate(input);
        if (result.IsValid)
        {
            return null;
        }

        var first = result.Errors[0];
        return Refusal.Invalid(code, first.PropertyName, first.ErrorMessage, $"Correct '{first.PropertyName}' and try again.");
    }
}
