using System.Text.Json.Nodes;

namespace Portal.E2E.Peers.Keylime;

/// <summary>Answers of a keylime 7.14.3 that ran, as it gave them.</summary>
internal static class Recordings
{
    public const string Verified = "595979f2-07a9-56cb-9139-e38cc7bc92a1";
    public const string Failed = "07738a36-5231-551e-bac0-6bb94fe99108";

    private static readonly Lazy<JsonObject> Bulk = new(() => Results("verifier_v2.6_agents__bulk_true.json"));
    private static readonly Lazy<JsonObject> Registrar = new(() => Results("registrar_agent.json"));

    public static byte[] Bytes(string file) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Keylime", file));

    /// <summary>The status of an agent that is verified: what the answers of a server that a test drives are made from.</summary>
    public static JsonObject Status() => Bulk.Value[Verified]!.DeepClone().AsObject();

    /// <summary>The registration of an agent.</summary>
    public static JsonObject Registration() => Registrar.Value.DeepClone().AsObject();

    private static JsonObject Results(string file) => JsonNode.Parse(Bytes(file))!["results"]!.AsObject();
}
