using Portal.Core;

namespace Portal.Api;

/// <summary>What the API answers: a status and, mostly, a document.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Document">The document, if there is one.</param>
internal sealed record ApiAnswer(int Status, Element? Document = null)
{
    /// <summary>Where a created thing is.</summary>
    public string? Location { get; init; }

    public static ApiAnswer Ok(Element document) => new(StatusCodes.Status200OK, document);

    public static ApiAnswer Created(Element document, string location) => new(StatusCodes.Status201Created, document) { Location = location };

    /// <summary>The fault of a refusal, with the status its kind has.</summary>
    public static ApiAnswer Refused(Refusal refusal) => Fault(Faults.StatusOf(refusal), refusal);

    /// <summary>The fault of a refusal under another status.</summary>
    public static ApiAnswer Fault(int status, Refusal refusal) => new(status, Faults.Of(refusal));
}
