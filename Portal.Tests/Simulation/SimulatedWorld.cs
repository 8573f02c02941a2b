using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;

namespace Portal.Tests.Simulation;

/// <summary>Waits for events, but not forever: one that never comes is a failure.</summary>
internal static class Listening
{
    public static async Task<DomainEvent> NextAsync(this IAsyncEnumerator<HypervisorEvent> events)
    {
        do
        {
            Assert.True(await events.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        }
        while (events.Current is ConnectionEvent);

        return Assert.IsType<DomainEvent>(events.Current);
    }
}

/// <summary>A simulated world on a file of its own.</summary>
internal sealed class SimulatedWorld : IDisposable
{
    public static readonly string Nonce = "abcdefghijklmnopqrstuvwxyz012345";

    // RSA keys cost a tenth of a second each, so worlds begin with the same ones.
    private static readonly Lazy<byte[][]> Keys = new(() => [.. Enumerable.Range(0, 16).Select(n => SimulatedKey.Generate(ecc: n % 2 == 1).ToPkcs8())]);

    private readonly string folder;
    private readonly bool ownsFolder;

    public SimulatedWorld(SimulationOptions? options = null, ISimulationPause? pause = null, bool ownKeys = false)
        : this(Directory.CreateTempSubdirectory("portal-simulation-").FullName, new FakeTimeProvider(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero)), options, pause, ownsFolder: true)
    {
        if (!ownKeys)
        {
            GiveKeys(State);
        }
    }

    private SimulatedWorld(string folder, FakeTimeProvider time, SimulationOptions? options, ISimulationPause? pause, bool ownsFolder)
    {
        (this.folder, this.ownsFolder, Time) = (folder, ownsFolder, time);
        Options = options ?? new SimulationOptions();
        State = new SimulationState(Path.Combine(folder, "simulation.db"));
        Attesters = new SimulatedAttesterChannel(State, Images, time);
        Fleet = new SimulatedFleet(State, Attesters, Options, time);
        Hypervisor = new SimulatedHypervisor(State, time, Options, pause ?? new StepDelayPause(Options, time), NullLogger<SimulatedHypervisor>.Instance);
    }

    public FakeTimeProvider Time { get; }

    public SimulationOptions Options { get; }

    public SimulationState State { get; }

    public BootImages Images { get; } = new();

    public SimulatedAttesterChannel Attesters { get; }

    public SimulatedFleet Fleet { get; }

    public SimulatedHypervisor Hypervisor { get; }

    public static void GiveKeys(SimulationState state)
    {
        for (var number = 0; number < Keys.Value.Length; number++)
        {
            state.File.AddKey(number, Keys.Value[number]);
        }
    }

    /// <summary>The same file opened anew while the first is still open, as after a kill: nothing was closed in order.</summary>
    public SimulatedWorld AfterKill(SimulationOptions? options = null) => new(folder, Time, options ?? Options, pause: null, ownsFolder: false);

    public HostEndpoint Endpoint(string name) => new(State.Find(name)!.Id, name, $"sim:{name}", null);

    public async Task<Evidence> QuoteAsync(string name, string? nonce = null, ushort bank = 0x000B, IReadOnlyList<int>? pcrs = null)
    {
        var answer = await Attesters.QuoteAsync(
            Endpoint(name),
            new QuoteRequest(nonce ?? Nonce, bank, pcrs ?? [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14], WithEventLog: true),
            TestContext.Current.CancellationToken);
        return Assert.IsType<ChannelAnswer.Answered>(answer).Evidence;
    }

    public async Task<byte[]> KeyAsync(string name) =>
        (await Attesters.IdentifyAsync(Endpoint(name), TestContext.Current.CancellationToken))!.AttestationKey;

    public void Dispose()
    {
        Hypervisor.Dispose();
        State.Dispose();
        if (ownsFolder)
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
