using System.Text.Json;
using Portal.Core.Operations;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>Preparations under way in this process.</summary>
public interface IPreparationsUnderWay
{
    /// <summary>Keeps the credentials of an operation until it ends.</summary>
    void Begin(Guid operation, SshCredentials credentials);

    /// <summary>What the host said so far; null when nothing runs here.</summary>
    IReadOnlyList<string>? Lines(Guid operation);
}

/// <summary>What hosts said while they were prepared.</summary>
/// <param name="underWay">What is under way here.</param>
/// <param name="directory">Reads operations.</param>
public sealed class PreparationOutput(IPreparationsUnderWay underWay, OperationDirectory directory)
{
    /// <summary>Kind of the operations.</summary>
    public const string OperationKind = PreparationWork.Kind;

    /// <summary>What the host of an operation said so far, in lines that are safe to show; empty for one that is not known.</summary>
    public async Task<IReadOnlyList<string>> OfAsync(Guid operation, CancellationToken ct) =>
        underWay.Lines(operation)
        ?? (await directory.FindAsync(operation, ct) is { Operation: { Kind: PreparationWork.Kind } row } ? JsonSerializer.Deserialize<PreparationWork>(row.Data)?.Output ?? [] : []);
}
