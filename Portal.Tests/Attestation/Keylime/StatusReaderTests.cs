using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;
using Portal.Core.Attestation.Keylime;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>A verifier's answers as recorded, as other versions shape them, and as nobody should.</summary>
public sealed class StatusReaderTests
{
    private const string Id = "595979f2-07a9-56cb-9139-e38cc7bc92a1";

    [Fact]
    public void TheRecordedBulkAnswer_IsRead()
    {
        var answer = StatusReader.Bulk(Recorded("verifier_v2.6_agents__bulk_true.json"));

        Assert.Null(answer.Ids);
        Assert.Equal(3, answer.Agents.Count);
        Assert.Equal(
            new AgentStatus(Id) { State = 3, Word = "PASS", Count = 27, Success = 1795408714, Received = 1795408714, Period = TimeSpan.FromSeconds(2), Ip = "127.0.0.1", Port = 9102, HashAlgorithm = "sha256" },
            answer.Agents[Id]);
        var failed = answer.Agents["07738a36-5231-551e-bac0-6bb94fe99108"];
        Assert.Equal((9, "FAIL", "pcr_validation.invalid_pcr_4"), (failed.State, failed.Word, failed.EventId));
    }

    [Theory]
    [InlineData("verifier_v2.6_agents_.json", 3)]
    [InlineData("registrar_agents.json", 4)]
    public void Lists_AreRead_OfListsAndFlat(string name, int count)
    {
        var answer = StatusReader.Bulk(Recorded(name));

        Assert.Equal(count, answer.Ids?.Count);
        Assert.Contains(Id, answer.Ids!);
    }

    [Fact]
    public void AnAgentThatIsCalledUuids_IsAnAgent() =>
        Assert.Equal(3, StatusReader.Bulk("""{"results":{"uuids":{"operational_state":3}}}"""u8).Agents["uuids"].State);

    [Fact]
    public void MissingAndNullFields_AreMissing()
    {
        var status = StatusReader.One("""{"results":{"operational_state":3,"last_successful_attestation":null,"attestation_count":1,"ip":null,"port":null,"hash_alg":""}}"""u8, Id);

        Assert.Equal(new AgentStatus(Id) { State = 3, Count = 1 }, status);
        Assert.True(status.IsPush);
    }

    [Fact]
    public void ATimeOfZero_IsNever() => Assert.Null(StatusReader.One("""{"results":{"last_successful_attestation":0}}"""u8, Id).Success);

    [Fact]
    public void NumbersInStrings_AreNumbers_AndOtherTypesAreMissing()
    {
        var status = StatusReader.One("""{"results":{"operational_state":{"a":[3]},"attestation_count":"19","port":["x"],"attestation_status":7,"ip":"10.0.0.1"}}"""u8, Id);

        Assert.Equal(new AgentStatus(Id) { Count = 19, Ip = "10.0.0.1" }, status);
    }

    [Fact]
    public void ANewAgentThatWasNotAskedYet_IsNoPushAgent() =>
        Assert.False(StatusReader.One("""{"results":{"operational_state":1,"ip":"10.0.0.1","port":9002,"hash_alg":""}}"""u8, Id).IsPush);

    [Theory]
    [InlineData("")]
    [InlineData("<html><body>Bad gateway</body></html>")]
    [InlineData("[]")]
    [InlineData("""{"code":200}""")]
    [InlineData("""{"results":[]}""")]
    [InlineData("""{"results":{"a":{"operational_state":3""")]
    [InlineData("""{"results":{"a":{"operational_state":3}""")]
    public void WhatIsNotTheProtocol_OrOnlyAPart_IsRefused(string text) =>
        Assert.ThrowsAny<JsonException>(() => StatusReader.Bulk(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void AnyBytes_AreReadOrRefused()
    {
        var recorded = Recorded("verifier_v2.6_agents__bulk_true.json");
        Gen.Select(Gen.Int[0, recorded.Length - 1], Gen.Byte, Gen.Int[0, recorded.Length]).Sample(
            (at, value, length) =>
            {
                var bytes = recorded[..length];
                if (at < length)
                {
                    bytes[at] = value;
                }

                try
                {
                    return StatusReader.Bulk(bytes).Agents.Count <= 4;
                }
                catch (Exception refused) when (refused is JsonException or InvalidOperationException)
                {
                    return true;
                }
            },
            iter: 5000);
    }

    [Fact]
    public void TenThousandAgents_AreReadWithoutKeepingTheirPolicies()
    {
        var body = Bulk(10_000);
        Assert.InRange(body.Length, 11 << 20, 20 << 20);
        StatusReader.Bulk(Bulk(10));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var watch = System.Diagnostics.Stopwatch.StartNew();

        var agents = StatusReader.Bulk(body).Agents;

        watch.Stop();
        Assert.Equal(10_000, agents.Count);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(1), $"It took {watch.ElapsedMilliseconds} ms.");
    }

    private static byte[] Bulk(int agents)
    {
        using var recorded = JsonDocument.Parse(Recorded("verifier_v2.6_agents__bulk_true.json"));
        var one = recorded.RootElement.GetProperty("results").GetProperty(Id).GetRawText();
        var text = new StringBuilder("""{"code": 200, "status": "Success", "results": {""");
        for (var i = 0; i < agents; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"\"{i:x8}-07a9-56cb-9139-e38cc7bc92a1\": ").Append(one);
        }

        return Encoding.UTF8.GetBytes(text.Append("}}").ToString());
    }

    private static byte[] Recorded(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Keylime", name));
}
