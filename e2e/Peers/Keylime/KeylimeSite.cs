using System.Collections.Concurrent;
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

    public bool HasRefState { get; set; }

    /// <summary>Seconds since 1970 of the last quote, also one that did not match.</summary>
    public long Received { get; set; }

    /// <summary>As recorded of a verifier, with what this agent has of its own.</summary>
    public JsonObject ToJson()
    {
        var status = Recordings.Status();
        (status["operational_state"], status["attestation_status"]) = (State, Word);
        (status["tpm_policy"], status["meta_data"]) = (TpmPolicy, Metadata);
        (status["has_mb_refstate"], status["has_runtime_policy"]) = (HasRefState ? 1 : 0, HasRuntimePolicy ? 1 : 0);
        (status["severity_level"], status["last_event_id"]) = (EventId is null ? null : 6, EventId);
        (status["attestation_count"], status["last_received_quote"], status["last_successful_attestation"]) = (Count, Received, Success);
        if (IsPush)
        {
            (status["ip"], status["port"]) = (null, null);
            (status["hash_alg"], status["enc_alg"], status["sign_alg"]) = ("", "", "");
        }

        return status;
    }
}

/// <summary>What a Keylime verifier and registrar of one site know; tests change it, the servers show it.</summary>
internal sealed class KeylimeSite
{
    public ConcurrentDictionary<string, SiteAgent> Agents { get; } = new(StringComparer.Ordinal);

    /// <summary>Registered agents: what the registrar answers for each.</summary>
    public ConcurrentDictionary<string, JsonObject> Registered { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, string> RuntimePolicies { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, string> MeasuredBootPolicies { get; } = new(StringComparer.Ordinal);

    /// <summary>The clock its stamps are by.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Whether an agent's quote matches what it is compared with; null where it does not answer.</summary>
    public Func<string, SiteAgent, bool?> Matches { get; init; } = (_, _) => true;

    /// <summary>How far its stamps are ahead.</summary>
    public TimeSpan Ahead { get; set; }

    /// <summary>Removals are accepted, and done some questions later.</summary>
    public bool RemovesLater { get; set; }

    public SiteAgent Add(string id)
    {
        Register(id);
        return Agents[id] = new SiteAgent();
    }

    /// <summary>An agent registers; nobody verifies it yet.</summary>
    public void Register(string id)
    {
        var registration = Recordings.Registration();
        registration["agent_id"] = id;
        Registered[id] = registration;
    }

    /// <summary>The verifier has a turn with each agent.</summary>
    public void Verify()
    {
        foreach (var (id, agent) in Agents.Where(a => a.Value.IsUp && a.Value.State is 0 or 1 or 3))
        {
            if (agent is { IsPush: true, Word: "FAIL" })
            {
                continue;
            }

            if (Matches(id, agent) is not { } matches)
            {
                continue;
            }

            if (!matches)
            {
                Fail(id, "pcr_validation.invalid_pcr_0");
                continue;
            }

            agent.State = 3;
            agent.Count += agent.Loops;
            agent.Success = agent.Received = Stamp;
        }
    }

    /// <summary>A quote of an agent did not match.</summary>
    public void Fail(string id, string tag)
    {
        var agent = Agents[id];
        (agent.State, agent.EventId, agent.Word, agent.Received) = (agent.IsPush ? 3 : 9, agent.IsPush ? null : tag, "FAIL", Stamp);
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

    private long Stamp => (Time.GetUtcNow() + Ahead).ToUnixTimeSeconds();
}
