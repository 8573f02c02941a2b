using System.Text.Json;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>What agents are answered: a code, a status and results, as keylime's API 2.x has it. UTF-8 JSON.</summary>
public static class RegistrarAnswer
{
    /// <summary>Versions of the API understood here, oldest first. Agents choose one of them.</summary>
    public static IReadOnlyList<string> Versions { get; } = ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"];

    /// <summary>To <c>GET /version</c>.</summary>
    public static byte[] Version() => Success(new { current_version = Versions[^1], supported_versions = Versions });

    /// <summary>To a registration: the challenge.</summary>
    /// <param name="challenge">The challenge.</param>
    public static byte[] Registered(AgentChallenge challenge)
    {
        ArgumentNullException.ThrowIfNull(challenge);
        return Success(new { blob = challenge.Blob });
    }

    /// <summary>To a proof that is right.</summary>
    public static byte[] Activated() => Success(new { });

    /// <summary>To anything refused. The sentence only: agents log it and can do no more.</summary>
    /// <param name="status">HTTP status, which the body repeats.</param>
    /// <param name="refusal">Why.</param>
    public static byte[] Refused(int status, Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(refusal);
        return JsonSerializer.SerializeToUtf8Bytes(new { code = status, status = refusal.Sentence, results = new { } });
    }

    private static byte[] Success<T>(T results) => JsonSerializer.SerializeToUtf8Bytes(new { code = 200, status = "Success", results });
}
