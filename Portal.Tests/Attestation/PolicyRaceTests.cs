using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

public sealed class PolicyRaceTests
{
    [Fact]
    public async Task Attest_BaselineRetiredWhileTheHostAnswers_EndsUntrustedUnderTheNewPolicy()
    {
        Meddler? meddler = null;
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: services =>
        {
            services.RemoveAll<IAttesterChannel>();
            services.AddSingleton<IAttesterChannel>(provider => meddler = new Meddler(provider.GetRequiredService<SimulatedAttesterChannel>()));
        });
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync("kvm-a01")).Verdict);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        meddler!.OnceAnswered = () => RetireHypervisorsAsync(pool);

        var row = await pool.AttestAsync("kvm-a01");

        await using var db = pool.Database();
        var revision = await db.Clusters.Select(c => c.PolicyRevision).SingleAsync(pool.Ct);
        Assert.Equal((Verdict.Untrusted, revision), (row.Verdict, row.PolicyRevision));
    }

    [Fact]
    public async Task Create_BaselineRetiredWhileTheVmWaitsAtTheGate_IsRefused()
    {
        Meddler? meddler = null;
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: services =>
        {
            services.RemoveAll<IAttesterChannel>();
            services.AddSingleton<IAttesterChannel>(provider => meddler = new Meddler(provider.GetRequiredService<SimulatedAttesterChannel>()));
        });
        pool.Time.Advance(TimeSpan.FromMinutes(2));
        meddler!.OnceAnswered = () => RetireHypervisorsAsync(pool);

        var operation = await pool.CreateAsync("web-1");

        Assert.Equal("placement.no_host", operation.Operation.FailureCode);
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Attest_TwoAtOnce_AskTheHostOnce()
    {
        Meddler? meddler = null;
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: services =>
        {
            services.RemoveAll<IAttesterChannel>();
            services.AddSingleton<IAttesterChannel>(provider => meddler = new Meddler(provider.GetRequiredService<SimulatedAttesterChannel>()));
        });
        var before = meddler!.Asked;
        var gate = new TaskCompletionSource();
        meddler.OnceAnswered = () => gate.Task;

        var round = pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        await meddler.WaitUntilAskedAsync(before + 1);
        var second = pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        gate.SetResult();
        await Task.WhenAll(round, second);

        Assert.Equal(before + 1, meddler.Asked);
    }

    private static async Task RetireHypervisorsAsync(TrustedPool pool)
    {
        await using var db = pool.Database();
        var revisions = await db.BaselineRevisions
            .Where(r => r.State == RevisionState.Approved && db.Baselines.Any(b => b.Id == r.BaselineId && b.Kind == BaselineKinds.Hypervisor))
            .Select(r => r.Id)
            .ToListAsync(pool.Ct);
        foreach (var revision in revisions)
        {
            TrustedPool.Expect(await pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(revision), pool.Ct));
        }
    }

    /// <summary>Lets something happen between the host's answer and its arrival.</summary>
    private sealed class Meddler(SimulatedAttesterChannel inner) : IAttesterChannel
    {
        private readonly SemaphoreSlim asked = new(0);
        private int count;

        public Func<Task>? OnceAnswered { get; set; }

        public int Asked => count;

        public async Task WaitUntilAskedAsync(int times)
        {
            while (count < times)
            {
                await asked.WaitAsync(TestContext.Current.CancellationToken);
            }
        }

        public bool Reaches(HostEndpoint host) => inner.Reaches(host);

        public async ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct)
        {
            var answer = await inner.QuoteAsync(host, request, ct);
            Interlocked.Increment(ref count);
            asked.Release();
            var happens = OnceAnswered;
            OnceAnswered = null;
            if (happens is not null)
            {
                await happens();
            }

            return answer;
        }

        public ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct) => inner.IdentifyAsync(host, ct);
    }
}
