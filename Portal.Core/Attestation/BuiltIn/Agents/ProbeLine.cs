namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>What came of one step of a check.</summary>
public enum ProbeResult
{
    /// <summary>As it should be.</summary>
    Good,

    /// <summary>Wrong; the remedy says what to do.</summary>
    Wrong,

    /// <summary>Nobody can say: it was not reached, or the agent does not tell.</summary>
    NotKnown,
}

/// <summary>The steps of a check, in the order in which each needs those before it.</summary>
public enum ProbeStep
{
    /// <summary>Whether the name the agent gave leads to an address.</summary>
    Name,

    /// <summary>Whether an address lies in a network the portal may connect to.</summary>
    Network,

    /// <summary>Whether the port answers.</summary>
    Port,

    /// <summary>Whether the certificate shown is the registered one.</summary>
    Certificate,

    /// <summary>Whether the agent lets the portal in.</summary>
    Admission,

    /// <summary>Whether agent and portal speak a common version.</summary>
    Version,

    /// <summary>Whether the agent's clock agrees with ours.</summary>
    Clock,
}

/// <summary>One step of a check of an agent.</summary>
/// <param name="Step">Which.</param>
/// <param name="Result">What came of it.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Remedy">What to do; empty when nothing need be done.</param>
public sealed record ProbeLine(ProbeStep Step, ProbeResult Result, string Sentence, string Remedy);
