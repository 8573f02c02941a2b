using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization.LostTrust;

/// <summary>A trusted pool whose cluster reacts, with words for what happens to its hosts. Nothing reacts until the test looks, nothing runs until the test says so.</summary>
internal sealed class ReactingPool : IAsyncDisposable
{
    public static readonly ReactionPolicy Evacuate = ReactionPolicy.Default with { Kind = ReactionKind.Evacuate, GuardHosts = 3, GuardShare = 100 };

    private ReactingPool(TrustedPool pool) => Pool = pool;

    public TrustedPool Pool { get; }

    public CancellationToken Ct => Pool.Ct;

    public Reactions Reactions => Pool.Get<Reactions>();

    public static async Task<ReactingPool> StartAsync(ReactionPolicy? policy = null, int hosts = 4, Action<IServiceCollection>? more = null)
    {
        var reacting = new ReactingPool(await TrustedPool.StartAsync(hosts, more: more));
        await reacting.Pool.Get<AttestationRounds>().RoundAsync(reacting.Pool.Cluster, reacting.Ct);
        await reacting.SetAsync(policy ?? Evacuate);
        return reacting;
    }

    public async Task SetAsync(ReactionPolicy policy) =>
        TrustedPool.Expect(await Pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(Pool.Cluster, policy), Ct));

    /// <summary>The host's next answer is signed by nobody: its verdict is Untrusted.</summary>
    public async Task FallAsync(string host)
    {
        Pool.Get<SimulatedAttesterChannel>().Inject(host, Fault.SignatureBitFlip);
        await AnswerAsync(host, Verdict.Untrusted);
    }

    /// <summary>The host answers honestly again.</summary>
    public async Task RiseAsync(string host)
    {
        Pool.Get<SimulatedAttesterChannel>().Inject(host, null);
        await AnswerAsync(host, Verdict.Trusted);
    }

    public async Task SilenceAsync(string host) =>
        TrustedPool.Expect(await Pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, (await Pool.HostAsync(host)).Id, Ct));

    /// <summary>A running VM on a host of one's choice.</summary>
    public async Task<VirtualMachine> RunAsync(string name, string host, TrustLevel level = TrustLevel.Trusted, int priority = 50, long memory = 1L << 30)
    {
        await Pool.CreateAsync(name, level, memory: memory);
        var vm = (await Pool.VmAsync(name))!;
        var to = (await Pool.HostAsync(host)).Id;
        if (vm.HostId != to)
        {
            Ended(await Pool.RunAsync(TrustedPool.Expect(await Pool.Get<ChangeVirtualMachine>().MigrateAsync(TrustedPool.Operator, vm.Id, to, Ct))));
        }

        Ended(await Pool.RunAsync(TrustedPool.Expect(await Pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, vm.Id, Ct))));
        await using var db = Pool.Database();
        await db.VirtualMachines.Where(v => v.Id == vm.Id).ExecuteUpdateAsync(set => set.SetProperty(v => v.Priority, priority), Ct);
        vm = (await Pool.VmAsync(name))!;
        Assert.Equal((to, VirtualMachineStatus.Up), (vm.HostId!.Value, vm.Status));
        return vm;
    }

    public Task<DateTimeOffset?> LookAsync() => Reactions.LookAsync(Ct);

    public async Task<HostReaction?> ReactionAsync(string host)
    {
        var id = (await Pool.HostAsync(host)).Id;
        await using var db = Pool.Database();
        return await db.HostReactions.AsNoTracking().SingleOrDefaultAsync(r => r.HostId == id, Ct);
    }

    public async Task<ReactionState?> StateAsync(string host) => (await ReactionAsync(host))?.State;

    /// <summary>Runs the host's evacuation as the scheduler would.</summary>
    public async Task<OperationView> EvacuateAsync(string host)
    {
        await LookAsync();
        var view = await Pool.RunAsync((await ReactionAsync(host))!.OperationId!.Value);
        await LookAsync();
        return view;
    }

    /// <summary>Runs what is recorded and not ended, as the scheduler would.</summary>
    public async Task RunOperationsAsync()
    {
        foreach (var id in await OpenAsync())
        {
            await Pool.RunAsync(id);
        }
    }

    public async Task<List<Guid>> OpenAsync()
    {
        await using var db = Pool.Database();
        return await db.Operations.Where(o => o.EndedAt == null).OrderBy(o => o.CreatedAt).Select(o => o.Id).ToListAsync(Ct);
    }

    public async Task<int> OperationsAsync(string kind)
    {
        await using var db = Pool.Database();
        return await db.Operations.CountAsync(o => o.Kind == kind, Ct);
    }

    public async Task<int> AuditedAsync(string @event, AuditSeverity severity)
    {
        await using var db = Pool.Database();
        return await db.AuditEntries.CountAsync(a => a.Event == @event && a.Severity == severity, Ct);
    }

    /// <summary>Where a VM is, by name; its row and the world agree.</summary>
    public async Task<string?> WhereAsync(string name)
    {
        var vm = (await Pool.VmAsync(name))!;
        await using var db = Pool.Database();
        var on = new List<string>();
        foreach (var host in await db.Hosts.AsNoTracking().ToListAsync(Ct))
        {
            if (Pool.Get<SimulationState>().DomainsOf(host.Name).ContainsKey(vm.Id))
            {
                on.Add(host.Name);
                Assert.Equal(host.Id, vm.HostId);
            }
        }

        return Assert.Single(on);
    }

    public ValueTask DisposeAsync() => Pool.DisposeAsync();

    internal static OperationView Ended(OperationView view, OperationState state = OperationState.Succeeded)
    {
        Assert.True(view.Operation.State == state, $"{view.Operation.Title}: {view.Operation.State}, {view.Operation.Failure}{string.Join(" / ", view.Steps.Select(s => s.Sentence))}");
        return view;
    }

    private async Task AnswerAsync(string host, Verdict expected)
    {
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(expected, (await Pool.AttestAsync(host)).Verdict);
    }
}
