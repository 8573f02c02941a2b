using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;
using Quartz;
using Host = Portal.Core.Inventory.Host;

namespace Portal.E2E.Load;

/// <summary>
/// What the portal adds to libvirt's own time on three real hosts, and what fifty nodes of libvirt's test driver with 2,000 VMs cost in memory and in
/// time from an event to the committed inventory.
/// </summary>
internal static class Libvirts
{
    private const int Hosts = 3;
    private const int Machines = 12;
    private const int Nodes = 50;
    private const int MachinesOfANode = 40;
    private const int Events = 1_000;
    private const double Allowed = 0.05;
    private const double AllowedMilliseconds = 20;

    private static readonly Caller Operator = Caller.With(new Person("load", "ops", "ops"), Role.Operator);

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct) =>
        LibvirtDaemon.Missing is { } missing
            ? [Figure.Only("real hosts", $"not measured: {missing}")]
            : [.. await OverheadAsync(ct), .. await NodesAsync(ct)];

    private static async Task<IReadOnlyList<Figure>> OverheadAsync(CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        await LibvirtDaemon.RunAsync("chmod", "711", folder.Path);
        var daemons = Enumerable.Range(1, Hosts).Select(n => new LibvirtDaemon(folder.File(n.ToString(CultureInfo.InvariantCulture)), $"kvm-{n}", 52_000 + (n * 40))).ToList();
        try
        {
            foreach (var daemon in daemons)
            {
                await daemon.StartAsync();
            }

            await using var world = await World.StartAsync(folder.File("portal.db"), [.. daemons.Select(d => d.Host)], trusted: true, ct);
            var (shares, extras) = (new List<double>(), new List<double>());
            var plain = new List<double>();
            for (var i = 0; i < Machines; i++)
            {
                // The first one warms up what is compiled and connected.
                var (whole, inside) = await world.CreateAsync($"load-{i}", ct);
                var libvirt = await world.PlainAsync($"plain-{i}", daemons[i % Hosts].Host, ct);
                if (i > 0)
                {
                    extras.Add((whole - inside).TotalMilliseconds);
                    shares.Add(inside.TotalMilliseconds);
                    plain.Add(libvirt.TotalMilliseconds);
                }
            }

            var (extra, own, beside) = (Median(extras), Median(shares), Median(plain));
            return
            [
                Figure.AtMost(
                    "portal's own time for each VM that requires trust, created and started on a real host",
                    extra,
                    (beside * Allowed) + AllowedMilliseconds,
                    "ms",
                    Figure.Text($", median of {Machines - 1}, beside {own:0} ms inside libvirt (the same calls without the portal: {beside:0} ms)")),
            ];
        }
        finally
        {
            foreach (var daemon in daemons)
            {
                await daemon.DisposeAsync();
            }
        }
    }

    private static async Task<IReadOnlyList<Figure>> NodesAsync(CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        var hosts = new List<Host>();
        for (var i = 0; i < Nodes; i++)
        {
            var file = folder.File(string.Create(CultureInfo.InvariantCulture, $"node-{i}.xml"));
            await File.WriteAllTextAsync(file, "<node><cpu><nodes>1</nodes><sockets>2</sockets><cores>16</cores><threads>2</threads><active>64</active><mhz>2000</mhz><model>x86_64</model></cpu><memory>268435456</memory></node>", ct);
            hosts.Add(new Host { Name = string.Create(CultureInfo.InvariantCulture, $"node-{i:00}"), Address = "127.0.0.1", LibvirtUri = $"test://{file}", ClusterId = Guid.Empty, Cpus = 64, Memory = 256L << 30 });
        }

        var before = Machine.HeapMiB();
        await using var world = await World.StartAsync(folder.File("portal.db"), hosts, trusted: false, ct);
        var machines = await world.FillAsync(hosts, MachinesOfANode, ct);
        var heap = Machine.HeapMiB() - before;
        var resident = Process.GetCurrentProcess().WorkingSet64 / 1048576.0;
        var (told, committed) = await world.EventsAsync(machines, Events, ct);
        return
        [
            Figure.Only($"{Nodes} nodes of libvirt's test driver with {machines.Count:N0} VMs, managed heap / resident", $"{heap:0.0} MiB / {resident:0} MiB"),
            Figure.Only("… a call until its event reached the portal, p50 / p99", $"{Percentile(told, 0.5):0.0} / {Percentile(told, 0.99):0.0} ms"),
            Figure.AtMost("… a call until the inventory has it, committed, p99", Percentile(committed, 0.99), 1000, "ms", Figure.Text($"; p50 {Percentile(committed, 0.5):0.0} ms")),
        ];
    }

    private static double Median(List<double> values) => Percentile(values, 0.5);

    private static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToList();
        return sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * share))];
    }

    /// <summary>The core as a portal composes it, over a database that knows these hosts.</summary>
    private sealed class World : IAsyncDisposable
    {
        private readonly ServiceProvider services;
        private readonly Cluster cluster = Cluster.Create("load", TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(12), MaxAgeAtStart = TimeSpan.FromHours(12) });
        private readonly CancellationTokenSource stop = new();
        private readonly ConcurrentDictionary<Guid, TaskCompletionSource> heard = new();
        private readonly ConcurrentDictionary<Guid, TaskCompletionSource> written = new();
        private Task listening = Task.CompletedTask;

        private World(string database)
        {
            var collection = new ServiceCollection();
            collection.AddSingleton(TimeProvider.System);
            collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
            collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
            collection.AddDataProtection();
            collection.AddPortalStorage($"Data Source={database}");
            collection.AddAudit();
            collection.AddInventory();
            collection.AddBaselines();
            collection.AddAttestation();
            collection.AddPlacement();
            collection.AddSingleton<IHostFilter, TrustFilter>();
            collection.AddVirtualization();
            collection.AddLibvirt(new LibvirtOptions { AllowsUnprotected = true });
            var adapter = collection.Single(d => d.ServiceType == typeof(IHypervisor));
            collection.Remove(adapter);
            collection.AddSingleton(provider => new TimedHypervisor((IHypervisor)(adapter.ImplementationFactory?.Invoke(provider) ?? ActivatorUtilities.CreateInstance(provider, adapter.ImplementationType!))));
            collection.AddSingleton<IHypervisor>(provider => provider.GetRequiredService<TimedHypervisor>());
            collection.AddOperations();
            collection.AddQuartz();
            services = collection.BuildServiceProvider();
        }

        private TimedHypervisor Hypervisor => services.GetRequiredService<TimedHypervisor>();

        public static async Task<World> StartAsync(string database, IReadOnlyList<Host> hosts, bool trusted, CancellationToken ct)
        {
            var world = new World(database);
            if (await DatabaseOpening.OpenAsync(world.Contexts, "Demo", ct) is { } refusal)
            {
                throw new InvalidOperationException(refusal.ToString());
            }

            await using (var db = await world.Contexts.CreateDbContextAsync(ct))
            {
                db.Add(world.cluster);
                db.Add(new Template { Id = Template.Blank, Name = "Blank", Network = "", Pool = trusted ? "default" : "" });
                var now = DateTimeOffset.UtcNow;
                foreach (var host in hosts)
                {
                    host.ClusterId = world.cluster.Id;
                    db.Add(host);
                    if (trusted)
                    {
                        // What is measured is not attestation; the gate finds it fresh, as within any round.
                        db.Add(new HostAttestation
                        {
                            HostId = host.Id,
                            Verdict = Verdict.Trusted,
                            VerifiedAt = now,
                            ValidUntil = now.AddHours(12),
                            ForgetAt = now.AddHours(24),
                            Outcome = CheckOutcome.Ok,
                            PolicyRevision = world.cluster.PolicyRevision,
                        });
                    }
                }

                await db.SaveChangesAsync(ct);
            }

            await services(world).GetRequiredService<TrustFacts>().LoadAsync(ct);
            world.listening = world.ListenAsync();
            world.Feed.Subscribe(change =>
            {
                foreach (var id in change.Topic == ChangeTopic.VirtualMachine ? change.Ids : [])
                {
                    if (world.written.TryGetValue(id, out var waiting))
                    {
                        waiting.TrySetResult();
                    }
                }
            });
            // Nobody asks these hosts for evidence: what they have counts for all of the run.
            foreach (var service in services(world).GetServices<IHostedService>().Where(s => !s.GetType().FullName!.StartsWith("Portal.Core.Attestation", StringComparison.Ordinal)))
            {
                await service.StartAsync(ct);
            }

            await (await services(world).GetRequiredService<ISchedulerFactory>().GetScheduler(ct)).Start(ct);
            await world.UntilAsync(async db => await db.Hosts.AllAsync(h => h.State == HostState.Up && h.PhysicalMemory > 0, ct), ct);
            return world;

            static ServiceProvider services(World of) => of.services;
        }

        /// <summary>Creates and starts a VM as the VM dialog does.</summary>
        /// <returns>The time of it all, and of it the time inside libvirt.</returns>
        public async Task<(TimeSpan Whole, TimeSpan Inside)> CreateAsync(string name, CancellationToken ct)
        {
            Hypervisor.Take();
            var clock = Stopwatch.StartNew();
            var begun = await services.GetRequiredService<CreateVirtualMachine>().ExecuteAsync(
                Operator, new NewVirtualMachine { Name = name, ClusterId = cluster.Id, TemplateId = Template.Blank, Memory = 64L << 20, Disk = 1L << 20, TrustLevel = TrustLevel.Trusted, Start = true }, ct);
            if (!begun.Succeeded)
            {
                throw new InvalidOperationException(begun.Refusal.ToString());
            }

            var operation = await services.GetRequiredService<OperationQueue>().WaitAsync(begun.Value, TimeSpan.FromMinutes(1), ct);
            var whole = clock.Elapsed;
            return operation.State == OperationState.Succeeded ? (whole, Hypervisor.Take()) : throw new InvalidOperationException(operation.Failure);
        }

        /// <summary>The same calls of libvirt without the portal.</summary>
        public async Task<TimeSpan> PlainAsync(string name, Host host, CancellationToken ct)
        {
            var definition = new DomainDefinition(Guid.CreateVersion7(), name, 1, 64L << 20, 1L << 20, "", TrustLevel.Any, null) { Storage = new DomainStorage("default", "") };
            Hypervisor.Take();
            var created = await Hypervisor.CreateAsync(host.Endpoint, definition, ct);
            var started = await Hypervisor.StartAsync(host.Endpoint, definition.Id, ct);
            return created.IsSo && started.IsSo ? Hypervisor.Take() : throw new InvalidOperationException($"{created.Sentence} {started.Sentence}");
        }

        /// <summary>Defines VMs on every node, with rows that say so.</summary>
        public async Task<IReadOnlyList<(HostEndpoint Host, Guid Id)>> FillAsync(IReadOnlyList<Host> hosts, int each, CancellationToken ct)
        {
            var machines = new ConcurrentBag<(HostEndpoint, Guid)>();
            await using (var db = await Contexts.CreateDbContextAsync(ct))
            {
                foreach (var host in hosts)
                {
                    for (var i = 0; i < each; i++)
                    {
                        var vm = new VirtualMachine
                        {
                            Name = $"{host.Name}-{i.ToString("00", CultureInfo.InvariantCulture)}",
                            ClusterId = cluster.Id,
                            TemplateId = Template.Blank,
                            Cpus = 1,
                            Memory = 64L << 20,
                            Disk = 0,
                            Network = "",
                            HostId = host.Id,
                            Status = VirtualMachineStatus.Down,
                            CreatedBy = "load",
                            CreatedAt = DateTimeOffset.UtcNow,
                        };
                        db.Add(vm);
                        machines.Add((host.Endpoint, vm.Id));
                        var answer = await Hypervisor.CreateAsync(host.Endpoint, new DomainDefinition(vm.Id, vm.Name, 1, vm.Memory, 0, "", TrustLevel.Any, null), ct);
                        if (!answer.IsSo)
                        {
                            throw new InvalidOperationException(answer.Sentence);
                        }
                    }

                    await db.Hosts.Where(h => h.Id == host.Id).ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, each * (64L << 20)).SetProperty(h => h.CpusClaimed, each), ct);
                }

                await db.SaveChangesAsync(ct);
            }

            return [.. machines];
        }

        /// <summary>Starts VMs behind the portal's back, one after the other, and waits until the inventory says so.</summary>
        public async Task<(IReadOnlyList<double> Told, IReadOnlyList<double> Committed)> EventsAsync(IReadOnlyList<(HostEndpoint Host, Guid Id)> machines, int count, CancellationToken ct)
        {
            var (told, committed) = (new List<double>(), new List<double>());
            foreach (var (host, id) in machines.Take(count))
            {
                var (hearing, writing) = (heard[id] = new(TaskCreationOptions.RunContinuationsAsynchronously), written[id] = new(TaskCreationOptions.RunContinuationsAsynchronously));
                var began = Stopwatch.GetTimestamp();
                var answer = await Hypervisor.StartAsync(host, id, ct);
                if (!answer.IsSo)
                {
                    throw new InvalidOperationException(answer.Sentence);
                }

                await hearing.Task.WaitAsync(TimeSpan.FromSeconds(30), ct);
                told.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                await writing.Task.WaitAsync(TimeSpan.FromSeconds(30), ct);
                committed.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }

            return (told, committed);
        }

        public async ValueTask DisposeAsync()
        {
            await stop.CancelAsync();
            await (await services.GetRequiredService<ISchedulerFactory>().GetScheduler()).Shutdown(waitForJobsToComplete: true);
            foreach (var service in services.GetServices<IHostedService>().Reverse())
            {
                await service.StopAsync(CancellationToken.None);
            }

            await listening;
            await services.DisposeAsync();
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            stop.Dispose();
        }

        private IDbContextFactory<PortalDbContext> Contexts => services.GetRequiredService<IDbContextFactory<PortalDbContext>>();

        private IChangeFeed Feed => services.GetRequiredService<IChangeFeed>();

        private async Task ListenAsync()
        {
            try
            {
                await foreach (var told in Hypervisor.EventsAsync(stop.Token))
                {
                    if (told is DomainEvent { State: DomainState.Running } happened && heard.TryGetValue(happened.VirtualMachineId, out var waiting))
                    {
                        waiting.TrySetResult();
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The end.
            }
        }

        private async Task UntilAsync(Func<PortalDbContext, Task<bool>> isSo, CancellationToken ct)
        {
            while (true)
            {
                await using var db = await Contexts.CreateDbContextAsync(ct);
                if (await isSo(db))
                {
                    return;
                }

                await Task.Delay(50, ct);
            }
        }
    }
}
