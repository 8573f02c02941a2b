namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>Where a registered attester stands.</summary>
public enum RegistrationStatus
{
    /// <summary>It proved its key and waits for people.</summary>
    Waiting,

    /// <summary>It vouches for a host.</summary>
    Enrolled,

    /// <summary>Somebody refused it; it stays so that it does not come back unseen.</summary>
    Refused,

    /// <summary>It proved the key of one TPM under the name of another: a security incident.</summary>
    Incident,
}

/// <summary>
/// An attester that registered itself and proved, by credential activation, that its attestation key lives in the TPM of its endorsement key.
/// One row per pair of keys; nothing here was approved by anybody unless it says so.
/// </summary>
public sealed class RegisteredAttester
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>What the agent calls itself: its claim.</summary>
    public required string AgentId { get; set; }

    /// <summary>Public area of the endorsement key, TPMT_PUBLIC; only its numbers are proved.</summary>
    public required byte[] EndorsementKey { get; init; }

    /// <summary><see cref="Portal.Core.Tpm.EndorsementKey.Fingerprint"/> of <see cref="EndorsementKey"/>: what people compare and accept.</summary>
    public required string EndorsementHash { get; init; }

    /// <summary>The certificate the TPM carries for its endorsement key, DER; null when it has none.</summary>
    public byte[]? EndorsementCertificate { get; set; }

    /// <summary>Public area of the attestation key, TPMT_PUBLIC.</summary>
    public required byte[] AttestationKey { get; init; }

    /// <summary>TPM Name of the attestation key, hexadecimal.</summary>
    public required string KeyName { get; init; }

    /// <summary>The agent's server certificate, DER: the only one it is believed to be reached by. Null when it named none.</summary>
    public byte[]? ServerCertificate { get; set; }

    /// <summary>Address the agent says it listens on.</summary>
    public required string Address { get; set; }

    /// <summary>Port the agent says it listens on.</summary>
    public required int Port { get; set; }

    /// <summary>Address the registration came from.</summary>
    public required string SeenFrom { get; set; }

    /// <summary>When it proved its key first.</summary>
    public required DateTimeOffset FirstSeenAt { get; init; }

    /// <summary>When it proved its key last.</summary>
    public required DateTimeOffset LastSeenAt { get; set; }

    /// <summary>How often it did: each start of an agent is one.</summary>
    public int Count { get; set; } = 1;

    /// <summary>Where it stands.</summary>
    public RegistrationStatus Status { get; set; }

    /// <summary>The host it vouches for, once enrolled; the host of the attester it would replace, before.</summary>
    public Guid? HostId { get; set; }

    /// <summary>Whether the same TPM vouches for <see cref="HostId"/> with an older key: the host was installed anew, and two people must agree.</summary>
    public bool Replaces { get; set; }

    /// <summary>Why it was refused or is an incident, in one sentence; empty otherwise.</summary>
    public string Why { get; set; } = "";
}

/// <summary>One person who accepted an endorsement key. The key of the row is what makes two of them two people.</summary>
public sealed class AttesterAcceptance
{
    /// <summary>The registration.</summary>
    public required Guid RegistrationId { get; init; }

    /// <summary>Issuer of the person.</summary>
    public required string Issuer { get; init; }

    /// <summary>Subject of the person.</summary>
    public required string Subject { get; init; }

    /// <summary>The person's name at that time.</summary>
    public required string PersonName { get; init; }

    /// <summary>The endorsement hash that was shown.</summary>
    public required string EndorsementHash { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }
}
