using System.Text;
using System.Text.Json;
using CsCheck;
using Portal.Core.Attestation.Keylime;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>Notices as verifiers sent them, and as nobody should.</summary>
public sealed class KeylimeNoticeTests
{
    [Fact]
    public void Recorded_AreRead()
    {
        var lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Keylime", "webhook.jsonl"));
        Assert.NotEmpty(lines);
        foreach (var line in lines)
        {
            using var recorded = JsonDocument.Parse(line);
            var notice = KeylimeNotice.Parse(Encoding.UTF8.GetBytes(recorded.RootElement.GetProperty("body").GetRawText()));
            Assert.NotNull(notice);
            Assert.True(Guid.TryParse(notice.AgentId, out _), notice.AgentId);
            Assert.Contains(notice.Type, (string[])["revocation", "comm_error"]);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"msg":7}""")]
    [InlineData("""{"msg":"no json"}""")]
    [InlineData("""{"msg":"{\"type\":\"revocation\"}"}""")]
    [InlineData("""{"msg":"\ud800"}""")]
    public void Others_AreNone(string body) => Assert.Null(KeylimeNotice.Parse(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Noise_NeverThrows() => Gen.Byte.Array[0, 200].Sample(bytes => KeylimeNotice.Parse(bytes) is null);
}
