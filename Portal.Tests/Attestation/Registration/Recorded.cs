using System.Text.Json.Nodes;

namespace Portal.Tests.Attestation.Registration;

/// <summary>What a running keylime agent registered with a running keylime registrar.</summary>
internal static class Recorded
{
    public const string AgentId = "595979f2-07a9-56cb-9139-e38cc7bc92a1";

    /// <summary>The agent's registration: what the registrar kept of it, and what it does not keep.</summary>
    public static JsonObject Registration()
    {
        var kept = Results("registrar_agent.json");
        return new()
        {
            ["aik_tpm"] = kept["aik_tpm"]!.GetValue<string>(),
            ["ek_tpm"] = kept["ek_tpm"]!.GetValue<string>(),
            ["ekcert"] = kept["ekcert"]!.GetValue<string>(),
            ["iak_cert"] = null,
            ["idevid_cert"] = null,
            ["ip"] = kept["ip"]!.GetValue<string>(),
            ["mtls_cert"] = kept["mtls_cert"]!.GetValue<string>(),
            ["port"] = kept["port"]!.GetValue<int>(),
        };
    }

    public static JsonObject Results(string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Keylime", file)))!["results"]!.AsObject();

    public static byte[] Bytes(JsonNode node) => System.Text.Encoding.UTF8.GetBytes(node.ToJsonString());
}
