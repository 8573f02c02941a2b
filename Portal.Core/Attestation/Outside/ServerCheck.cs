using Portal.Core.Attestation.BuiltIn.Agents;

namespace Portal.Core.Attestation.Outside;

/// <summary>The steps of "test connection", in the order in which each needs those before it.</summary>
public enum ServerCheckStep
{
    /// <summary>Whether its name leads to an address.</summary>
    Name,

    /// <summary>Whether its port answers.</summary>
    Port,

    /// <summary>Whether its certificate is by a pinned authority and names it.</summary>
    Certificate,

    /// <summary>Until when its certificate, the pinned authority and ours are valid.</summary>
    Expiry,

    /// <summary>Which version or dialect it speaks.</summary>
    Version,

    /// <summary>Whether it lets us in.</summary>
    Authorisation,

    /// <summary>Whether its clock agrees with ours.</summary>
    Clock,

    /// <summary>Whether it answers a real question.</summary>
    Query,
}

/// <summary>One line of "test connection".</summary>
/// <param name="Step">Which.</param>
/// <param name="Result">What came of it.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Remedy">What to do; empty when nothing need be done.</param>
public sealed record ServerCheckLine(ServerCheckStep Step, ProbeResult Result, string Sentence, string Remedy);
