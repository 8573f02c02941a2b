using System.Globalization;
using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;

namespace Portal.Tests.Attestation;

/// <summary>
/// What is said of a boot of one real machine beside baselines captured from another, word by word. The texts in Fixtures/Explanations were read by
/// a person; a change of words is a change of them.
/// </summary>
public sealed class GoldenExplanationTests
{
    [Theory]
    [InlineData("vm-1", "vm-1")]
    [InlineData("vm-1", "vm-2")]
    [InlineData("vm-2", "vm-1")]
    [InlineData("rhel8", "rhel8")]
    [InlineData("rhel8", "vm-1")]
    [InlineData("vm-1", "rhel8")]
    [InlineData("arch", "rhel8")]
    [InlineData("rhel8", "arch")]
    public void Boot_BesideAnothersBaselines_IsExplainedInTheseWords(string booted, string approved)
    {
        Assert.Equal(Golden($"{booted}-as-{approved}"), Explain(booted, approved));
    }

    [Theory]
    [InlineData("rhel8", "debian10")]
    [InlineData("arch", "rhel8")]
    [InlineData("debian10", "arch")]
    public void SecureBootVariables_OfTwoRealMachines_AreComparedEntryByEntry(string booted, string approved)
    {
        Assert.Equal(Golden($"variables-{booted}-as-{approved}"), Variables(booted, approved));
    }

    private static string Golden(string name) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Explanations", $"{name}.txt")).ReplaceLineEndings("\n");

    private static string Variables(string booted, string approved)
    {
        var before = Keys(approved);
        var text = new StringBuilder();
        foreach (var (name, variable) in Keys(booted))
        {
            foreach (var line in before.TryGetValue(name, out var other) && VariableChange.Between(other, variable) is { } change ? Lines(change) : [$"{name} is the same."])
            {
                text.Append(CultureInfo.InvariantCulture, $"{line}\n");
            }
        }

        return text.ToString();
    }

    private static Dictionary<string, UefiVariable> Keys(string name) => Log(name).Entries
        .Where(e => e.Pcr == 7 && e.Type == EventType.EfiVariableDriverConfig)
        .Select(e => e.Describe(TpmAlgorithm.Sha256).Variable!)
        .ToDictionary(v => v.Name);

    private static string Explain(string booted, string approved)
    {
        var (log, reference) = (Log(booted), Log(approved));
        var revisions = new[] { BaselineKinds.Firmware, BaselineKinds.Hypervisor }
            .Select(kind => new ApprovedRevision(Guid.NewGuid(), Guid.NewGuid(), $"{approved} {kind}".ToLowerInvariant(), 1, kind, Capture(approved, kind)))
            .ToList();
        var bank = Replayed(log);
        var all = bank.Pcrs.Aggregate(0u, (mask, pcr) => mask | 1u << pcr);
        var appraisal = Appraiser.Appraise(
            new CheckedEvidence(null!, bank, log, all, []),
            new ApprovedSet(Guid.NewGuid(), 1, BaselineKinds.Firmware | BaselineKinds.Hypervisor, revisions));
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{appraisal.Verdict}\n");
        foreach (var finding in appraisal.Findings)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{(finding.Follows ? "  follows: " : "")}{finding.Short}\n    {finding.Sentence}\n");
            if (!finding.Follows)
            {
                text.Append(CultureInfo.InvariantCulture, $"    {finding.Remedy}\n");
            }

            foreach (var line in Change(finding, log, reference))
            {
                text.Append(CultureInfo.InvariantCulture, $"    {line}\n");
            }
        }

        return text.ToString();
    }

    private static IEnumerable<string> Change(Finding finding, EventLog log, EventLog reference)
    {
        if (finding.Event is { } at && log.Entries[at].Describe(TpmAlgorithm.Sha256).Variable is { } measured
            && reference.Entries.FirstOrDefault(e => e.Pcr == finding.Pcr && e.TryGetDigest(TpmAlgorithm.Sha256, out var d) && Convert.ToHexStringLower(d.Span) == finding.Expected) is { } entry
            && entry.Describe(TpmAlgorithm.Sha256).Variable is { } before && VariableChange.Between(before, measured) is { } change)
        {
            foreach (var line in Lines(change))
            {
                yield return line;
            }
        }
    }

    private static IEnumerable<string> Lines(VariableChange change) => [change.Sentence, .. change.Removed.Select(l => $"- {l}"), .. change.Added.Select(l => $"+ {l}")];

    private static BaselineContent Capture(string name, BaselineKinds kind)
    {
        var bytes = Bytes(name);
        var bank = Replayed(Log(name));
        var record = new EvidenceRecord
        {
            Id = Guid.NewGuid(),
            HostId = Guid.NewGuid(),
            IssuedAt = DateTimeOffset.UnixEpoch,
            Purpose = AttestationPurpose.Round,
            NonceRandom = [],
            Nonce = "",
            Operations = "",
            AttestationKey = [],
            Quote = [],
            Signature = [],
            Bank = (int)TpmAlgorithm.Sha256,
            Pcrs = System.Text.Json.JsonSerializer.Serialize(bank.Pcrs.ToDictionary(p => p, p => Convert.ToHexStringLower(bank.Get(p)!))),
            Digest = "",
        };
        return CapturedContent.Of(record, bytes, kind, name, null, []).Value;
    }

    /// <summary>Logs of real machines come without quotes: what they replay to stands in for what was quoted.</summary>
    private static PcrBank Replayed(EventLog log)
    {
        var replayed = log.Replay(TpmAlgorithm.Sha256).Value;
        return PcrBank.Create(TpmAlgorithm.Sha256, replayed.Pcrs.Select(p => KeyValuePair.Create(p, (ReadOnlyMemory<byte>)replayed.Get(p)!))).Value;
    }

    private static EventLog Log(string name) => EventLog.Parse(Bytes(name)).Value;

    private static byte[] Bytes(string name) => name switch
    {
        "vm-1" => Fixture.VmLog(1),
        "vm-2" => Fixture.VmLog(2),
        "rhel8" => Fixture.Log("rhel8-uefi.bin"),
        "debian10" => Fixture.Log("debian-10.bin"),
        "arch" => Fixture.Log("arch-linux-workstation.bin"),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such log"),
    };
}
