using System.Collections.Immutable;
using System.Globalization;
using CsCheck;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Random edits of baselines and policies, and random lives of hosts between them: each preview is held against what then happens.</summary>
public sealed class ImpactModelTests
{
    private static readonly string[] Hosts = ["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04", "kvm-b01", "kvm-b02", "kvm-b03", "kvm-b04"];

    private static readonly TrustPolicy[] Policies =
    [
        TrustPolicy.Default,
        TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware },
        TrustPolicy.Default with { RequiredKinds = BaselineKinds.Hypervisor },
        TrustPolicy.Default with { Lifetime = TimeSpan.FromMinutes(2) },
        TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(2), ForgetAfter = TimeSpan.FromMinutes(1) },
    ];

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency((6, Gen.Const(Act.Approve)), (3, Gen.Const(Act.Retire)), (4, Gen.Const(Act.ChangePolicy)), (2, Gen.Const(Act.Attest)), (3, Gen.Const(Act.Live))),
        Gen.Int[0, 999], Gen.Enum<Edit>(), Gen.Int[0, 2], Gen.Bool,
        (act, which, edit, scope, flag) => new Step(act, which, edit, scope, flag));

    private enum Act
    {
        Approve,
        Retire,
        ChangePolicy,
        Attest,
        Live,
    }

    private enum Edit
    {
        None,
        ChangeDigest,
        AllowAnotherDigest,
        DropEvent,
        MakeOptional,
        AddOptional,
        DropPcr,
        WholeValue,
        OtherBank,
    }

    [Fact]
    public Task AnyHistory_OfEditsAndPolicies_IsPredictedHostByHost() => Steps.Array[8, 12].SampleAsync(RunAsync, iter: 3, threads: 1);

    private static async Task RunAsync(Step[] steps)
    {
        await using var bench = await ImpactBench.StartAsync();
        await bench.Pool.CreateAsync("payroll", start: true);
        for (var i = 0; i < steps.Length; i++)
        {
            await TakeAsync(bench, steps[i], i.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static async Task TakeAsync(ImpactBench bench, Step step, string name)
    {
        var pool = bench.Pool;
        switch (step.Act)
        {
            case Act.Approve:
                await bench.ApproveAsync(await DraftAsync(bench, step, name), step.Flag);
                break;
            case Act.Retire:
                var approved = await bench.QueryAsync(db => db.BaselineRevisions.Where(r => r.State == RevisionState.Approved).OrderBy(r => r.Id).Select(r => r.Id).ToListAsync(pool.Ct));
                if (approved.Count > 0)
                {
                    await bench.RetireAsync(approved[step.Which % approved.Count]);
                }

                break;
            case Act.ChangePolicy:
                var clusters = await ClustersAsync(bench);
                await bench.ChangePolicyAsync(clusters[step.Scope % clusters.Count], Policies[step.Which % Policies.Length]);
                break;
            case Act.Attest:
                pool.Time.Advance(TimeSpan.FromMinutes(step.Which % 15));
                await bench.AttestAllAsync();
                break;
            case Act.Live:
                await LiveAsync(bench, step, await bench.IdAsync(Hosts[step.Which % Hosts.Length]));
                break;
        }
    }

    /// <summary>A new baseline, or a new revision of one there is: what is in force with one thing changed, for all clusters or one.</summary>
    private static async Task<RevisionStanding> DraftAsync(ImpactBench bench, Step step, string name)
    {
        var pool = bench.Pool;
        var all = await bench.QueryAsync(db => db.BaselineRevisions.Join(db.Baselines, r => r.BaselineId, b => b.Id, (r, b) => new { r.Id, r.Content, r.BaselineId, b.Kind })
            .OrderBy(r => r.Id).ToListAsync(pool.Ct));
        var from = all[step.Which % all.Count];
        var clusters = await ClustersAsync(bench);
        var content = Edited(BaselineContent.Parse(from.Content), step) with { Clusters = step.Scope == 2 ? [] : [clusters[step.Scope]] };
        return TrustedPool.Expect(step.Which % 2 == 0
            ? await pool.Get<NewRevision>().ExecuteAsync(TrustedPool.Author, new(from.BaselineId, content), pool.Ct)
            : await pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("b" + name, from.Kind, "", content), pool.Ct));
    }

    private static BaselineContent Edited(BaselineContent content, Step step)
    {
        var at = step.Which % content.Pcrs.Length;
        var pcr = content.Pcrs[at];
        var size = content.Bank == PcrBanks.Sha384 ? 96 : 64;
        var other = new string("bcde"[step.Which % 4], size);
        return (step.Edit, pcr.IsByEvent) switch
        {
            (Edit.OtherBank, _) => new BaselineContent(PcrBanks.Sha384, [new PcrReference(4, [new string('a', 96)], [])], [], ""),
            (Edit.DropPcr, _) when content.Pcrs.Length > 1 => content with { Pcrs = content.Pcrs.RemoveAt(at) },
            (Edit.WholeValue, _) => With(pcr with { Digests = [other], Events = [] }),
            (Edit.None or Edit.DropPcr, _) or (_, false) => content,
            (Edit.DropEvent, _) when pcr.Events.Length > 1 => With(pcr with { Events = pcr.Events.RemoveAt(step.Which % pcr.Events.Length) }),
            (Edit.AddOptional, _) => With(pcr with { Events = pcr.Events.Insert(step.Which % pcr.Events.Length, new EventReference(13, [other], "", Optional: true)) }),
            _ => With(pcr with { Events = Change(pcr.Events, step.Which % pcr.Events.Length) }),
        };

        BaselineContent With(PcrReference changed) => content with { Pcrs = content.Pcrs.SetItem(at, changed) };

        ImmutableArray<EventReference> Change(ImmutableArray<EventReference> events, int which) => events.SetItem(which, step.Edit switch
        {
            Edit.ChangeDigest => events[which] with { Digests = [other] },
            Edit.AllowAnotherDigest => events[which] with { Digests = [.. events[which].Digests.Union([other])] },
            _ => events[which] with { Optional = true },
        });
    }

    private static async Task LiveAsync(ImpactBench bench, Step step, Guid host)
    {
        var (pool, actions) = (bench.Pool, bench.Pool.Get<SimulatedHostActions>());
        _ = step.Edit switch
        {
            Edit.None => await actions.UpdateFirmwareAsync(TrustedPool.Administrator, host, reboot: true, pool.Ct),
            Edit.ChangeDigest => await actions.UpdateKernelAsync(TrustedPool.Administrator, host, reboot: true, pool.Ct),
            Edit.DropEvent => await actions.GoSilentAsync(TrustedPool.Administrator, host, pool.Ct),
            Edit.MakeOptional => await actions.MisbehaveAsync(TrustedPool.Administrator, host, Fault.Garbled, pool.Ct),
            Edit.AddOptional => await actions.MisbehaveAsync(TrustedPool.Administrator, host, Fault.SignatureBitFlip, pool.Ct),
            Edit.DropPcr => await actions.MisbehaveAsync(TrustedPool.Administrator, host, Fault.LogAbsent, pool.Ct),
            Edit.WholeValue => await actions.ComeBackAsync(TrustedPool.Administrator, host, pool.Ct),
            Edit.OtherBank => await actions.MisbehaveAsync(TrustedPool.Administrator, host, null, pool.Ct),
            _ => await actions.RestoreAsync(TrustedPool.Administrator, host, pool.Ct),
        };
        await bench.AttestAllAsync();
    }

    private static Task<List<Guid>> ClustersAsync(ImpactBench bench) => bench.QueryAsync(db => db.Clusters.OrderBy(c => c.Name).Select(c => c.Id).ToListAsync(bench.Pool.Ct));

    private sealed record Step(Act Act, int Which, Edit Edit, int Scope, bool Flag);
}
