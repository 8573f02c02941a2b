using System.Globalization;
using CsCheck;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Tests.Baselines;

/// <summary>Random histories of one baseline against a model of the rules, with the promises checked after each step.</summary>
public sealed class ApprovalModelTests : IAsyncLifetime
{
    private static readonly Caller[] People = [Bench.Ann, Bench.Bob, Bench.Cid, Bench.OtherAnn, Bench.Admin];

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Enum<Act>(), Gen.Int[0, People.Length - 1], Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[0, 4], Gen.Bool,
        (act, person, target, content, slip, flag) => new Step(act, person, target, content, slip, flag));

    private int samples;
    private Bench bench = null!;

    private enum Act
    {
        New,
        Edit,
        Submit,
        Approve,
        Reject,
        Retire,
    }

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public Task AnyHistory_OfPeopleEditsAndApprovals_KeepsThePromises() =>
        Steps.Array[10, 40].SampleAsync(RunAsync, iter: 25, threads: 1);

    private async Task RunAsync(Step[] steps)
    {
        var name = $"b{Interlocked.Increment(ref samples).ToString(CultureInfo.InvariantCulture)}";
        var clusters = new[] { await bench.ClusterAsync(name + "a"), await bench.ClusterAsync(name + "b") };
        var world = new World(bench, clusters);
        var created = await bench.DraftAsync(Bench.Ann, name, world.Content(1));
        world.Model.Revisions.Add(new ModelRevision(created.RevisionId, created.ContentHash, world.Scope(1), [Bench.Ann.Person]));
        await world.CheckAsync(created.BaselineId);
        foreach (var step in steps)
        {
            await world.TakeAsync(created.BaselineId, step);
            await world.CheckAsync(created.BaselineId);
        }
    }

    private sealed record Step(Act Act, int Person, int Target, int Content, int Slip, bool Flag);

    private sealed class ModelRevision(Guid id, string hash, int[] scope, HashSet<Person> authors)
    {
        public Guid Id { get; } = id;

        public RevisionState State { get; set; }

        public string Hash { get; set; } = hash;

        public int[] Scope { get; set; } = scope;

        public HashSet<Person> Authors { get; } = authors;

        public (Person Who, string Hash)? Approval { get; set; }

        public int Version { get; set; } = 1;
    }

    private sealed class Model
    {
        public List<ModelRevision> Revisions { get; } = [];

        public long[] Policy { get; } = [1, 1];

        public ModelRevision Latest => Revisions[^1];

        public bool HasOpen => Latest.State is RevisionState.Draft or RevisionState.InReview or RevisionState.Rejected;
    }

    private sealed class World(Bench bench, Cluster[] clusters)
    {
        private const int Invalid = 4;
        private readonly Dictionary<Guid, string> frozen = [];

        public Model Model { get; } = new();

        public int[] Scope(int content) => content switch
        {
            2 => [0],
            3 => [1],
            _ => [0, 1],
        };

        public BaselineContent Content(int number) => number switch
        {
            0 => BaselineContent.Empty,
            2 => Contents.Boot(clusters[0].Id),
            3 => Contents.Of([Contents.Whole(4, Contents.Digest(3)), Contents.Events(8, Contents.Event(4, "kernel"))], clusters[1].Id),
            Invalid => Contents.Boot() with { Bank = 0x0004 },
            _ => Contents.Boot(),
        };

        public async Task TakeAsync(Guid baselineId, Step step)
        {
            var by = People[step.Person];
            var target = Model.Revisions[Math.Max(0, Model.Revisions.Count - 1 - (step.Target / 2))];
            var before = await ImageAsync(baselineId);
            var audited = await bench.QueryAsync(db => db.AuditEntries.MaxAsync(a => a.Id));
            var asked = bench.Reappraisal.Requests.Count;
            var (expected, apply) = Predict(by, target, step);

            var outcome = await DoAsync(by, baselineId, target, step);

            Assert.Equal(expected, outcome.Refusal?.Code);
            var added = await bench.QueryAsync(db => db.AuditEntries.AsNoTracking().Where(a => a.Id > audited).ToListAsync());
            if (outcome.Succeeded)
            {
                var raised = apply(outcome.Value);
                Assert.Equal(raised.Length > 0 ? asked + 1 : asked, bench.Reappraisal.Requests.Count);
                if (raised.Length > 0)
                {
                    Assert.Superset(raised.Select(i => clusters[i].Id).ToHashSet(), bench.Reappraisal.Requests[^1].Clusters.ToHashSet());
                }

                Assert.DoesNotContain(added, a => a.Severity is AuditSeverity.Refusal);
            }
            else
            {
                Assert.Equal(before, await ImageAsync(baselineId));
                var row = Assert.Single(added);
                Assert.Equal((AuditSeverity.Refusal, expected, by.Person.Subject), (row.Severity, row.Event, row.Subject));
                Assert.Equal(asked, bench.Reappraisal.Requests.Count);
            }
        }

        public async Task CheckAsync(Guid baselineId)
        {
            var (revisions, people) = await bench.QueryAsync(async db => (
                await db.BaselineRevisions.AsNoTracking().Where(r => r.BaselineId == baselineId).OrderBy(r => r.Number).ToListAsync(),
                await db.RevisionPersons.AsNoTracking().Where(p => db.BaselineRevisions.Any(r => r.Id == p.RevisionId && r.BaselineId == baselineId)).ToListAsync()));
            Assert.Equal(Model.Revisions.Select(r => (r.Id, r.State, r.Hash, r.Version)), revisions.Select(r => (r.Id, r.State, r.ContentHash, r.Version)));
            Assert.True(revisions.Count(r => r.State.IsOpen()) <= 1, "more than one open revision");
            foreach (var (revision, model) in revisions.Zip(Model.Revisions))
            {
                var own = people.Where(p => p.RevisionId == revision.Id).ToList();
                var (authors, approvers) = (own.Where(p => p.Part is RevisionPart.Author).ToList(), own.Where(p => p.Part is RevisionPart.Approver).ToList());
                Assert.Equal(model.Authors.Select(a => (a.Issuer, a.Subject)).Order(), authors.Select(a => (a.Issuer, a.Subject)).Order());
                Assert.Empty(authors.Select(a => (a.Issuer, a.Subject)).Intersect(approvers.Select(a => (a.Issuer, a.Subject))));
                Assert.Equal(revision.ContentHash, BaselineContent.HashOf(revision.Content));
                CheckApproval(revision, model, approvers);
            }

            Assert.Equal((Model.Policy[0], Model.Policy[1]), (await bench.PolicyRevisionAsync(clusters[0]), await bench.PolicyRevisionAsync(clusters[1])));
        }

        // What was in force once says the same for ever, and the same its one approver saw.
        private void CheckApproval(BaselineRevision revision, ModelRevision model, List<RevisionPerson> approvers)
        {
            if (revision.State is not (RevisionState.Approved or RevisionState.Retired))
            {
                Assert.Empty(approvers);
                return;
            }

            var approver = Assert.Single(approvers);
            Assert.Equal((model.Approval?.Who.Issuer, model.Approval?.Who.Subject), (approver.Issuer, approver.Subject));
            Assert.Equal(model.Approval?.Hash, approver.ContentHash);
            Assert.Equal(approver.ContentHash, revision.ContentHash);
            frozen.TryAdd(revision.Id, revision.Content);
            Assert.Equal(frozen[revision.Id], revision.Content);
        }

        private Task<Outcome<RevisionStanding>> DoAsync(Caller by, Guid baselineId, ModelRevision target, Step step) => step.Act switch
        {
            Act.New => bench.Get<NewRevision>().ExecuteAsync(by, new(baselineId), default),
            Act.Edit => bench.Get<EditRevision>().ExecuteAsync(by, new(target.Id, target.Version - (step.Slip == 0 ? 1 : 0), Content(step.Content)), default),
            Act.Submit => bench.Get<SubmitRevision>().ExecuteAsync(by, new(target.Id), default),
            Act.Approve => bench.Get<ApproveRevision>().ExecuteAsync(by, new(target.Id, Shown(target, step), "", step.Flag), default),
            Act.Reject => bench.Get<RejectRevision>().ExecuteAsync(by, new(target.Id, step.Slip == 0 ? "" : "no"), default),
            Act.Retire => bench.Get<RetireRevision>().ExecuteAsync(by, new(target.Id), default),
        };

        private string Shown(ModelRevision target, Step step) => step.Slip == 0 ? BaselineContent.HashOf("something else") : target.Hash;

        // The code the rules give, or what becomes of the model; the clusters raised come back.
        private (string? Code, Func<RevisionStanding, int[]> Apply) Predict(Caller by, ModelRevision target, Step step)
        {
            if (by == Bench.Admin)
            {
                return Refused("access.denied");
            }

            return step.Act switch
            {
                Act.New => Model.HasOpen ? Refused("baseline.revision.open") : (null, made => Begin(made, by)),
                Act.Edit => PredictEdit(by, target, step),
                Act.Submit => target.State is not RevisionState.Draft ? Refused("baseline.submit.state")
                    : target.Hash == BaselineContent.HashOf(BaselineContent.Empty.ToCanonicalJson()) ? Refused("baseline.submit.empty")
                    : (null, _ => Move(target, RevisionState.InReview)),
                Act.Approve => target.Authors.Any(a => a.Is(by.Person)) ? Refused("baseline.approve.own")
                    : target.State is not RevisionState.InReview ? Refused("baseline.approve.state")
                    : step.Slip == 0 ? Refused("baseline.approve.changed")
                    : (null, _ => Approve(target, by, step.Flag)),
                Act.Reject => target.State is not RevisionState.InReview ? Refused("baseline.reject.state")
                    : step.Slip == 0 ? Refused("baseline.comment.empty")
                    : (null, _ => Move(target, RevisionState.Rejected)),
                Act.Retire => target.State is not RevisionState.Approved ? Refused("baseline.retire.state") : (null, _ => Retire(target)),
            };
        }

        private (string? Code, Func<RevisionStanding, int[]> Apply) PredictEdit(Caller by, ModelRevision target, Step step)
        {
            if (target.State is RevisionState.Approved or RevisionState.Retired)
            {
                return Refused("baseline.edit.state");
            }

            if (step.Slip == 0)
            {
                return Refused("baseline.edit.meanwhile");
            }

            return step.Content == Invalid ? Refused("baseline.bank") : (null, made =>
            {
                if (made.ContentHash == target.Hash && target.State is not RevisionState.Rejected)
                {
                    return [];
                }

                (target.Hash, target.Scope) = (made.ContentHash, Scope(step.Content));
                target.Authors.Add(by.Person);
                return Move(target, RevisionState.Draft);
            });
        }

        private static (string? Code, Func<RevisionStanding, int[]> Apply) Refused(string code) => (code, _ => throw new InvalidOperationException(code));

        private int[] Begin(RevisionStanding made, Caller by)
        {
            Model.Revisions.Add(new ModelRevision(made.RevisionId, Model.Latest.Hash, Model.Latest.Scope, [by.Person]));
            return [];
        }

        private static int[] Move(ModelRevision target, RevisionState state)
        {
            target.State = state;
            target.Version++;
            return [];
        }

        private int[] Approve(ModelRevision target, Caller by, bool retirePrevious)
        {
            Move(target, RevisionState.Approved);
            target.Approval = (by.Person, target.Hash);
            var scope = target.Scope.ToHashSet();
            foreach (var earlier in Model.Revisions.Where(r => retirePrevious && r != target && r.State is RevisionState.Approved))
            {
                Move(earlier, RevisionState.Retired);
                scope.UnionWith(earlier.Scope);
            }

            return Raise([.. scope]);
        }

        private int[] Retire(ModelRevision target)
        {
            Move(target, RevisionState.Retired);
            return Raise(target.Scope);
        }

        private int[] Raise(int[] scope)
        {
            foreach (var cluster in scope)
            {
                Model.Policy[cluster]++;
            }

            return scope;
        }

        private Task<string> ImageAsync(Guid baselineId) => bench.QueryAsync(async db =>
        {
            var revisions = await db.BaselineRevisions.AsNoTracking().Where(r => r.BaselineId == baselineId).OrderBy(r => r.Number).ToListAsync();
            var ids = revisions.ConvertAll(r => r.Id);
            var people = await db.RevisionPersons.AsNoTracking().Where(p => ids.Contains(p.RevisionId)).OrderBy(p => p.RevisionId).ThenBy(p => p.Issuer).ThenBy(p => p.Subject).ToListAsync();
            var policies = await db.Clusters.AsNoTracking().OrderBy(c => c.Id).Select(c => c.PolicyRevision).ToListAsync();
            return System.Text.Json.JsonSerializer.Serialize(new { revisions, people, policies });
        });
    }
}
