using FluentValidation;
using FluentValidation.Results;

namespace Portal.Core;

/// <summary>Turns what a FluentValidation validator found into a <see cref="Refusal"/>: error code is code, property is field, message is sentence, state is remedy.</summary>
public static class ValidationRefusals
{
    /// <summary>Gives a rule its stable code, its sentence (no braces: they are placeholders) and its remedy.</summary>
    public static IRuleBuilderOptions<T, TProperty> RefusedAs<T, TProperty>(this IRuleBuilderOptions<T, TProperty> rule, string code, string sentence, string remedy) =>
        rule.WithErrorCode(code).WithMessage(sentence).WithState(_ => remedy);

    /// <summary>Adds a failure that will become a refusal.</summary>
    /// <param name="context">Where failures are collected.</param>
    /// <param name="code">Stable code.</param>
    /// <param name="field">The field, in the words of the REST API.</param>
    /// <param name="sentence">What is wrong, and the limit.</param>
    /// <param name="remedy">What to do.</param>
    public static void Refuse<T>(this ValidationContext<T> context, string code, string field, string sentence, string remedy) =>
        context.AddFailure(new ValidationFailure(field, sentence) { ErrorCode = code, CustomState = remedy });

    /// <summary>The first thing wrong with the input, or null.</summary>
    public static Refusal? Refusal<T>(this IValidator<T> rules, T input)
    {
        var found = rules.Validate(input);
        return found.IsValid ? null : Of(found.Errors[0]);
    }

    private static Refusal Of(ValidationFailure failure) => Core.Refusal.Invalid(
        failure.ErrorCode,
        CamelCase(failure.PropertyName),
        failure.ErrorMessage,
        failure.CustomState as string ?? "Correct it and try again.");

    private static string CamelCase(string path) =>
        string.Join('.', path.Split('.').Select(part => part.Length == 0 ? part : char.ToLowerInvariant(part[0]) + part[1..]));
}
