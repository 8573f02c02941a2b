using System.Collections.Immutable;
using System.Security.Cryptography;
using Portal.Core;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>Approved baselines in Keylime's terms: said exactly, or refused by name.</summary>
public sealed class KeylimeWantedTests
{
    private static readonly Guid Cluster = Guid.Parse("0199c1aa-0000-7000-8000-1234567890ab");
    private static readonly BoundHost Host = new(Guid.CreateVersion7(), "node-1");
    private static readonly string A = Hex('a');
    private static readonly string B = Hex('b');
    private static readonly string C = Hex('c');
    private static readonly string D = Hex('d');

    [Fact]
    public void WholeDigests_AreAnyOf_ByPcr_AndAllKindsTogether()
    {
        var policy = Assert.Single(Wanted(Revision("fw", 1, BaselineKinds.Firmware, Whole(0, A, B)), Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, C))));

        Assert.Equal("agent/node-1", policy.Key);
        Assert.Equal(Host.HostId, policy.HostId);
        Assert.Equal($$"""{"0":["{{A}}","{{B}}"],"4":["{{C}}"]}""", policy.Content);
        Assert.Contains("fw rev. 1, hv rev. 1", policy.Title, StringComparison.Ordinal);
    }

    [Fact]
    public void Events_ReplayToOneDigest()
    {
        var content = Assert.Single(Wanted(Revision("hv", 1, BaselineKinds.Hypervisor, Events(4, [A], [B])))).Content;

        var once = SHA256.HashData([.. new byte[32], .. Convert.FromHexString(A)]);
        var twice = SHA256.HashData([.. once, .. Convert.FromHexString(B)]);
        Assert.Equal($$"""{"4":["{{Convert.ToHexStringLower(twice)}}"]}""", content);
    }

    [Fact]
    public void EventsOfPcr0_AreReplayedFromEachLocalityThatCanStartIt()
    {
        var content = Assert.Single(Wanted(Revision("fw", 1, BaselineKinds.Firmware, Events(0, [A])))).Content;

        foreach (byte locality in new byte[] { 0, 3, 4 })
        {
            var start = new byte[32];
            start[31] = locality;
            Assert.Contains(Convert.ToHexStringLower(SHA256.HashData([.. start, .. Convert.FromHexString(A)])), content, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void RevisionsThatDifferInOnePcr_AreSaidTogether()
    {
        var content = Assert.Single(Wanted(
            Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, A), Whole(8, C)),
            Revision("hv", 2, BaselineKinds.Hypervisor, Whole(4, B), Whole(8, C)))).Content;

        Assert.Equal($$"""{"4":["{{A}}","{{B}}"],"8":["{{C}}"]}""", content);
    }

    [Fact]
    public void RevisionsThatAHostCouldMix_AreRefusedByName() => Refused(
        "hv rev. 2 cannot be said in Keylime's terms: together with hv rev. 1 it would let a host mix both in PCR 4, 8.",
        Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, A), Whole(8, C)),
        Revision("hv", 2, BaselineKinds.Hypervisor, Whole(4, B), Whole(8, D)));

    [Fact]
    public void RevisionsWhoseMixturesAreAllApproved_AreSaid() => Assert.Single(Wanted(
        Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, A, B), Whole(8, C)),
        Revision("hv", 2, BaselineKinds.Hypervisor, Whole(4, A, B), Whole(8, D)),
        Revision("hv", 3, BaselineKinds.Hypervisor, Whole(4, A), Whole(8, C, D))));

    [Fact]
    public void WhatCannotBeSaid_IsRefusedByName()
    {
        Refused("hv rev. 1 cannot be said in Keylime's terms: PCR 4 has events that may be absent", Revision("hv", 1, BaselineKinds.Hypervisor, new PcrReference(4, [], [new EventReference(1, [A], "", Optional: true)])));
        Refused("hv rev. 1 cannot be said in Keylime's terms: it covers PCR 16", Revision("hv", 1, BaselineKinds.Hypervisor, Whole(16, A)));
        Refused("hv rev. 1 cannot be said in Keylime's terms: it covers PCR 10", Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, A), Whole(10, A)));
        Refused("hv rev. 1 cannot be said in Keylime's terms: the events of PCR 4 lead to more than 64", Revision("hv", 1, BaselineKinds.Hypervisor, Events(4, [.. Enumerable.Repeat(new[] { A, B }, 7)])));
        Refused(
            "hv rev. 2 cannot be said in Keylime's terms: it covers other PCRs than hv rev. 1",
            Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, A)),
            Revision("hv", 2, BaselineKinds.Hypervisor, Whole(4, A), Whole(8, C)));
        Refused(
            "hv rev. 1 cannot be said in Keylime's terms: it speaks of SHA-384, fw rev. 1 of SHA-256",
            Revision("fw", 1, BaselineKinds.Firmware, Whole(0, A)),
            Revision("hv", 1, BaselineKinds.Hypervisor, Whole(4, new string('a', 96))) is var other ? other with { Content = other.Content with { Bank = PcrBanks.Sha384 } } : other);
        Refused(
            "hv rev. 1 cannot be said in Keylime's terms: in PCR 7 it approves nothing",
            Revision("fw", 1, BaselineKinds.Firmware, Whole(7, A)),
            Revision("hv", 1, BaselineKinds.Hypervisor, Whole(7, B)));
        Refused("rt rev. 1 cannot be said in Keylime's terms: it allows digests at any path", Runtime("rt", 1, new RuntimeReference([], [$"sha256:{A}"], [])));
        Refused("rt rev. 1 cannot be said in Keylime's terms: it passes over entries", Runtime("rt", 1, new RuntimeReference([new FileReference("/a", [$"sha256:{A}"])], [], [], ToleratesViolations: true)));
    }

    [Fact]
    public void ARequiredKindWithoutBaseline_TrustsNobody()
    {
        var outcome = KeylimeWanted.Of(new ApprovedSet(Cluster, 1, BaselineKinds.Firmware | BaselineKinds.Hypervisor, [Revision("fw", 1, BaselineKinds.Firmware, Whole(0, A))]), [Host]);

        Assert.Equal("keylime.policy.no_baseline", outcome.Refusal?.Code);
    }

    [Fact]
    public void AKindThatIsNotRequired_IsNotPublished()
    {
        var outcome = KeylimeWanted.Of(
            new ApprovedSet(Cluster, 1, BaselineKinds.Firmware, [Revision("fw", 1, BaselineKinds.Firmware, Whole(0, A)), Revision("hv", 1, BaselineKinds.Hypervisor, Whole(16, A))]), [Host]);

        Assert.Equal($$"""{"0":["{{A}}"]}""", Assert.Single(outcome.Value).Content);
    }

    [Fact]
    public void RuntimeRevisions_AreOneNamedPolicy_WrittenBeforeAnAgentUsesIt()
    {
        var policies = Wanted(
            Runtime("rt", 1, new RuntimeReference([new FileReference("/usr/bin/a", [$"sha256:{A}"]), new FileReference(".platform", [$"sha256:{D}"])], [], ["^/tmp/"])),
            Runtime("rt", 2, new RuntimeReference([new FileReference("/usr/bin/a", [$"sha256:{B}"]), new FileReference("kexec-cmdline", [$"sha256:{C}"])], [], ["^/var/"])));

        Assert.Equal(["runtime/portal-1234567890ab", "agent/node-1/runtime"], policies.Select(p => p.Key));
        Assert.Equal("portal-1234567890ab", policies[1].Content);
        Assert.Equal(
            $$"""{"digests":{"/usr/bin/a":["{{A}}","{{B}}"]},"excludes":["^/tmp/","^/var/"],"ima":{"dm_policy":null,"ignored_keyrings":[],"log_hash_alg":"sha1"},"ima-buf":{"kexec-cmdline":["{{C}}"]},"keyrings":{".platform":["{{D}}"]},"verification-keys":""}""",
            policies[0].Content);
    }

    [Fact]
    public void WhatIsWanted_ReadsBackEqual_HoweverAServerSpellsIt()
    {
        var wanted = Wanted(Runtime("rt", 1, new RuntimeReference([new FileReference("/b", [$"sha256:{B}", $"sha256:{A}"]), new FileReference("/a", [$"sha256:{A}"])], [], ["^/x/"])))[0].Content;
        var kept = $$$"""
            {"release": 0, "verification-keys": "", "meta": {"version": 1, "generator": 3, "timestamp": "2026"}, "excludes": ["^/x/"],
             "digests": {"/b": ["{{{B}}}", "{{{A}}}", "{{{B}}}"], "/a": ["{{{A}}}"]}}
            """;

        Assert.Equal(wanted, PolicyText.Runtime(kept));
        Assert.NotEqual(wanted, PolicyText.Runtime(kept.Replace("^/x/", ".*", StringComparison.Ordinal)));
        Assert.NotEqual(wanted, PolicyText.Runtime(kept.Replace("\"release\"", "\"ima\": {\"ignored_keyrings\": [\"*\"]}, \"release\"", StringComparison.Ordinal)));
        Assert.Equal(wanted, PolicyText.Runtime(System.Text.Encoding.UTF8.GetString(PolicyText.RuntimeToSend(wanted, DateTimeOffset.UnixEpoch))));
    }

    [Fact]
    public void AnAgentsPolicy_IsComparedWithoutItsMask_AndSentWithIt()
    {
        Assert.Equal($$"""{"0":["{{A}}"],"14":["{{B}}"]}""", PolicyText.Tpm($$"""{"14": "{{B}}", "mask": "0x4001", "0": ["{{A}}"]}"""));
        Assert.Null(PolicyText.Tpm("""{"mask": "0x400"}"""));
        Assert.Equal($$"""{"0":["{{A}}"],"14":["{{B}}"],"mask":"0x4001"}""", PolicyText.TpmToSend($$"""{"0":["{{A}}"],"14":["{{B}}"]}"""));
        Assert.Equal("""{"mask":"0x0"}""", PolicyText.TpmToSend(null));
    }

    private static IReadOnlyList<ServerPolicy> Wanted(params ApprovedRevision[] revisions)
    {
        var outcome = Of(revisions);
        Assert.True(outcome.Succeeded, outcome.Refusal?.ToString());
        return outcome.Value;
    }

    private static void Refused(string begins, params ApprovedRevision[] revisions)
    {
        var refusal = Of(revisions).Refusal;
        Assert.Equal("keylime.policy.cannot_say", refusal?.Code);
        Assert.StartsWith(begins, refusal!.Sentence, StringComparison.Ordinal);
    }

    private static Outcome<IReadOnlyList<ServerPolicy>> Of(ApprovedRevision[] revisions) =>
        KeylimeWanted.Of(new ApprovedSet(Cluster, 1, revisions.Aggregate(BaselineKinds.None, (kinds, r) => kinds | r.Kind), revisions), [Host]);

    private static ApprovedRevision Revision(string name, int number, BaselineKinds kind, params ImmutableArray<PcrReference> pcrs) =>
        new(Guid.CreateVersion7(), Guid.CreateVersion7(), name, number, kind, new BaselineContent(PcrBanks.Sha256, pcrs, [], ""));

    private static ApprovedRevision Runtime(string name, int number, RuntimeReference runtime) =>
        new(Guid.CreateVersion7(), Guid.CreateVersion7(), name, number, BaselineKinds.Runtime, BaselineContent.Empty with { Runtime = runtime });

    private static PcrReference Whole(int pcr, params ImmutableArray<string> digests) => new(pcr, digests, []);

    private static PcrReference Events(int pcr, params string[][] events) => new(pcr, [], [.. events.Select(digests => new EventReference(0x80000003, [.. digests], ""))]);

    private static string Hex(char letter) => new(letter, 64);
}
