using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Attestation.Outside;

/// <summary>All that a client needs to talk to a server.</summary>
/// <param name="ServerId">The server.</param>
/// <param name="Name">Its name, for sentences.</param>
/// <param name="Address">Where it answers; https.</param>
/// <param name="RegistrarAddress">Where its registrar answers, if it has one; https.</param>
/// <param name="Authorities">The only certificates that may have issued the server's.</param>
/// <param name="ClientCertificate">What we show it, with its private key; null when it asks for none.</param>
/// <param name="ChecksName">Whether its certificate must name its host.</param>
/// <param name="Timeout">How long one request may take.</param>
public sealed record ServerConnection(
    Guid ServerId,
    string Name,
    Uri Address,
    Uri? RegistrarAddress,
    X509Certificate2Collection Authorities,
    X509Certificate2? ClientCertificate,
    bool ChecksName,
    TimeSpan Timeout);

/// <summary>How a server failed us. None of it says anything about a host.</summary>
public enum ServerFault
{
    /// <summary>Its name leads to no address.</summary>
    NameUnknown,

    /// <summary>Nothing answers there, or not in time.</summary>
    Unreachable,

    /// <summary>Its certificate is not by a pinned authority, has expired, or names another host.</summary>
    NotTheServer,

    /// <summary>It does not let us in.</summary>
    Refused,

    /// <summary>It answered something that is not the protocol: HTML, a cut body, another shape, too long.</summary>
    Garbled,

    /// <summary>It answered with an error of its own.</summary>
    Failed,

    /// <summary>It does not know the attester that something of is to be changed.</summary>
    NothingThere,
}

/// <summary>A server failed us.</summary>
/// <param name="fault">How.</param>
/// <param name="sentence">What happened, for a person; nothing secret, no text of the server's that was not made harmless.</param>
/// <param name="remedy">What to do.</param>
/// <param name="inner">What lies behind it.</param>
public sealed class ServerException(ServerFault fault, string sentence, string remedy, Exception? inner = null) : Exception(sentence, inner)
{
    /// <summary>How.</summary>
    public ServerFault Fault => fault;

    /// <summary>What to do.</summary>
    public string Remedy => remedy;
}
