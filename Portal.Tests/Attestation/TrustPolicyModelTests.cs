using System.Globalization;
using CsCheck;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Tests.Inventory;

namespace Portal.Tests.Attestation;

/// <summary>Random histories of one cluster's policy against a model: nothing looser is ever in force that two people did not agree on.</summary>
public sealed class TrustPolicyModelTests : IAsyncLifetime
{
    private static readonly Caller[] People = [ClusterBench.Admin, ClusterBench.Security, ClusterBench.OtherDan, ClusterBench.Operator];

    private static readonly TrustPolicy[] Policies =
    [
        TrustPolicy.Default,
        TrustPolicy.Default with { Lifetime = TimeSpan.FromMinutes(5) },
        TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(1) },
        TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware, Lifetime = TimeSpan.FromMinutes(2) },
        TrustPolicy.Default with { MaxAgeAtStart = TimeSpan.Zero },
        TrustPolicy.Default with { Lifetime = TimeSpan.FromDays(2) },
    ];

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Enum<Act>(), Gen.Int[0, People.Length - 1], Gen.Int[0, Policies.Length - 1], Gen.Int[0, 5],
        (act, person, policy, slip) => new Step(act, People[person], Policies[policy], slip == 0));

    private int samples;
    private ClusterBench bench = null!;

    private enum Act
    {
        Change,
        Confirm,
        Reject,
        ApproveSomeBaseline,
    }

    public async ValueTask InitializeAsync() => bench = await ClusterBench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public Task AnyHistory_OfPeopleAndPolicies_KeepsFourEyes() => Steps.Array[10, 40].SampleAsync(RunAsync, iter: 25, threads: 1);

    private async Task RunAsync(Step[] steps)
    {
        var cluster = await bench.ClusterAsync($"c{Interlocked.Increment(ref samples).ToString(CultureInfo.InvariantCulture)}");
        var model = new Model();
        foreach (var step in steps)
        {
            var (before, asked) = (model with { }, bench.Reappraisal.Requests.Count);
            var expected = model.Take(step);

            var code = await DoAsync(cluster, step, before);

            Assert.Equal(expected, code);
            var (now, waits) = (await bench.ReadAsync(cluster), await bench.ProposalAsync(cluster));
            Assert.Equal((model.InForce, model.Revision), (now.Policy, now.PolicyRevision));
            Assert.Equal(model.Proposed, waits?.ReadPolicy());
            Assert.Equal(model.InForce != before.InForce ? asked + 1 : asked, bench.Reappraisal.Requests.Count);

            // The promise itself, whatever the model says.
            if (now.Policy.IsLooserThan(before.InForce))
            {
                Assert.Equal(Act.Confirm, step.Act);
                Assert.False(step.By.Person.Is(before.Proposer!));
                Assert.Equal((before.Proposed, before.Against), (now.Policy, before.Revision));
            }
        }
    }

    private async Task<string?> DoAsync(Cluster cluster, Step step, Model before)
    {
        var waiting = (await bench.ProposalAsync(cluster))?.Id ?? Guid.NewGuid();
        switch (step.Act)
        {
            case Act.Change:
                return (await bench.ChangeAsync(step.By, cluster, step.Policy, step.Slips ? before.Revision - 1 : before.Revision)).Refusal?.Code;
            case Act.Confirm:
                return (await bench.ConfirmAsync(step.By, cluster, waiting)).Refusal?.Code;
            case Act.Reject:
                return (await bench.RejectAsync(step.By, cluster, waiting)).Refusal?.Code;
            default:
                await bench.QueryAsync(async db =>
                {
                    db.Attach(await bench.ReadAsync(cluster)).Entity.PolicyRevision++;
                    return await db.SaveChangesAsync();
                });
                return null;
        }
    }

    private sealed record Step(Act Act, Caller By, TrustPolicy Policy, bool Slips);

    private sealed record Model
    {
        public TrustPolicy InForce { get; private set; } = TrustPolicy.Default;

        public long Revision { get; private set; } = 1;

        public TrustPolicy? Proposed { get; private set; }

        public Person? Proposer { get; private set; }

        public long Against { get; private set; }

        /// <summary>The refusal to expect, or null after the step was taken.</summary>
        public string? Take(Step step)
        {
            if (step.Act == Act.ApproveSomeBaseline)
            {
                Revision++;
                return null;
            }

            return step.By.May(Permission.ManageClusters)
                ? step.Act switch
                {
                    Act.Change => Change(step),
                    Act.Confirm => Confirm(step.By.Person),
                    _ => Reject(),
                }
                : "access.denied";
        }

        private string? Change(Step step)
        {
            if (TrustPolicyRules.Instance.Refusal(step.Policy) is { } invalid)
            {
                return invalid.Code;
            }

            if (step.Slips)
            {
                return "cluster.policy.meanwhile";
            }

            if (step.Policy == InForce)
            {
                return null;
            }

            if (!step.Policy.IsLooserThan(InForce))
            {
                (InForce, Proposed) = (step.Policy, null);
                Revision++;
                return null;
            }

            if (Proposed is not null && Against == Revision)
            {
                return "cluster.proposal.waiting";
            }

            (Proposed, Proposer, Against) = (step.Policy, step.By.Person, Revision);
            return null;
        }

        private string? Confirm(Person by)
        {
            if (Proposed is null)
            {
                return "cluster.proposal.not_found";
            }

            if (by.Is(Proposer!))
            {
                return "cluster.proposal.own";
            }

            if (Against != Revision)
            {
                return "cluster.proposal.void";
            }

            (InForce, Proposed) = (Proposed, null);
            Revision++;
            return null;
        }

        private string? Reject()
        {
            if (Proposed is null)
            {
                return "cluster.proposal.not_found";
            }

            Proposed = null;
            return null;
        }
    }
}
