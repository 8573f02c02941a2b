using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Portal.E2E.Peers.Keylime;

/// <summary>An agent as a verifier has it.</summary>
internal sealed class SiteAgent
{
    public int State { get; set; } = 3;

    public long Count { get; set; }

    /// <summary>Seconds since 1970 of the last success; 0 for never.</summary>
    public long Success { get; set; }

    public string? EventId { get; set; }

    public string? Word { get; set; } = "PASS";

    /// <summary>Sends by itself: its state is 3 whatever happens.</summary>
    public bool IsPush { get; set; }

    /// <summary>Whether its host answers the verifier.</summary>
    public bool IsUp { get; set; } = true;

    /// <summary>Polling loops: a second reactivation starts a second one.</summary>
    public int Loops { get; set; } = 1;

    /// <summary>Questions it is still shown for after its removal was accepted.</summary>
    public int LeavesAfter { get; set; }

    public string TpmPolicy { get; set; } = """{"mask": "0x0"}""";

    public string Metadata { get; set; } = "{}";

    public bool HasRuntimePolicy { get; set; }

    public JsonObject ToJson() => new()
    {
        ["operational_state"] = State,
        ["v"] = null,
        ["ip"] = IsPush ? null : "127.0.0.1",
        ["port"] = IsPush ? null : 9002,
        ["tpm_policy"] = TpmPolicy,
        ["meta_data"] = Metadata,
        ["has_mb_refstate"] = 0,
        ["has_runtime_policy"] = HasRuntimePolicy ? 1 : 0,
        ["accept_tpm_hash_algs"] = new JsonArray("sha512", "sha384", "sha256"),
        ["accept_tpm_encryption_algs"] = new JsonArray("ecc", "rsa"),
        ["accept_tpm_signing_algs"] = new JsonArray("ecschnorr", "rsassa"),
        ["hash_alg"] = IsPush ? "" : "sha256",
        ["enc_alg"] = IsPush ? "" : "rsa2048",
        ["sign_alg"] = IsPush ? "" : "rsassa",
        ["verifier_id"] = "default",
        ["severity_level"] = EventId is null ? null : 6,
        ["last_event_id"] = EventId,
        ["attestation_count"] = Count,
        ["last_received_quote"] = Success,
        ["last_successful_attestation"] = Success,
        ["attestation_status"] = Word,
        ["attestation_period"] = "2s",
    };
}

/// <summary>What a Keylime verifier and registrar of one site know; tests change it, the servers show it.</summary>
internal sealed class KeylimeSite
{
    public ConcurrentDictionary<string, SiteAgent> Agents { get; } = new(StringComparer.Ordinal);

    /// <summary>Registered agents: what the registrar answers for each.</summary>
    public ConcurrentDictionary<string, JsonObject> Registered { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, string> RuntimePolicies { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, string> MeasuredBootPolicies { get; } = new(StringComparer.Ordinal);

    /// <summary>How far its stamps are ahead.</summary>
    public TimeSpan Ahead { get; set; }

    /// <summary>Removals are accepted, and done some questions later.</summary>
    public bool RemovesLater { get; set; }

    public SiteAgent Add(string id)
    {
        Registered[id] = new JsonObject
        {
            ["agent_id"] = id,
            ["ek_tpm"] = "",
            ["ekcert"] = "",
            ["aik_tpm"] = "ARgAAQALAAUAcgAA",
            ["mtls_cert"] = "",
            ["ip"] = "127.0.0.1",
            ["port"] = 9002,
            ["regcount"] = 1,
        };
        return Agents[id] = new SiteAgent();
    }

    /// <summary>The verifier has a turn with each agent.</summary>
    public void Verify()
    {
        foreach (var agent in Agents.Values.Where(a => a.IsUp && a.State is 0 or 1 or 3))
        {
            if (agent is { IsPush: true, Word: "FAIL" })
            {
                continue;
            }

            agent.State = 3;
            agent.Count += agent.Loops;
            agent.Success = (DateTimeOffset.UtcNow + Ahead).ToUnixTimeSeconds();
        }
    }

    /// <summary>A quote of an agent did not match.</summary>
    public void Fail(string id, string tag)
    {
        var agent = Agents[id];
        (agent.State, agent.EventId, agent.Word) = (agent.IsPush ? 3 : 9, agent.IsPush ? null : tag, "FAIL");
    }

    /// <summary>A PUT of an agent: restarts polling, or starts another loop beside the first, or stops.</summary>
    public bool Put(string id, string what)
    {
        if (!Agents.TryGetValue(id, out var agent))
        {
            return false;
        }

        switch (what)
        {
            case "stop":
                agent.State = 10;
                break;
            case "reactivate" when agent.State is 7 or 9:
                (agent.State, agent.Word) = (3, "PASS");
                break;
            case "reactivate" when agent.State == 3:
                agent.Loops++;
                break;
        }

        return true;
    }

    public static string Seconds(DateTimeOffset at) => at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
}
