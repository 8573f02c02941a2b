using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Hypervisors;

namespace Portal.Tests.World;

/// <summary>A channel that lets a test act between a host's answer and its arrival, or answer for another host.</summary>
internal sealed class MeddlingChannel(SimulatedAttesterChannel inner) : IAttesterChannel
{
    public Func<HostEndpoint, Task> BeforeArrival { get; set; } = _ => Task.CompletedTask;

    /// <summary>A host that lets another one answer for it.</summary>
    public (Guid From, HostEndpoint To)? Relay { get; set; }

    /// <summary>What every request asked for, in order.</summary>
    public ConcurrentQueue<(HostEndpoint Host, QuoteRequest Request)> Asked { get; } = new();

    /// <summary>Changes the evidence of a host on its way.</summary>
    public Func<HostEndpoint, Evidence, Evidence> OnTheWay { get; set; } = (_, evidence) => evidence;

    /// <summary>What comes in place of an answer; null for what the host says.</summary>
    public Func<QuoteRequest, ChannelAnswer?> Instead { get; set; } = _ => null;

    public bool SharesKeys => inner.SharesKeys;

    public bool Reaches(HostEndpoint host) => inner.Reaches(host);

    public async ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct)
    {
        Asked.Enqueue((host, request));
        if (Instead(request) is { } instead)
        {
            return instead;
        }

        var answer = await inner.QuoteAsync(Of(host), request, ct);
        await BeforeArrival(host);
        return answer is ChannelAnswer.Answered(var evidence) ? new ChannelAnswer.Answered(OnTheWay(host, evidence)) : answer;
    }

    public ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct) => inner.IdentifyAsync(Of(host), ct);

    private HostEndpoint Of(HostEndpoint host) => Relay is var (from, to) && host.Id == from ? to : host;
}

/// <summary>Lets a test act inside a call to the simulated hypervisor.</summary>
internal sealed class MeddlingPause : ISimulationPause
{
    public Func<SimulationPoint, string, Task> At { get; set; } = (_, _) => Task.CompletedTask;

    public Task AtAsync(SimulationPoint point, string call, string host, CancellationToken ct) => At(point, call);
}

internal static class Meddling
{
    /// <summary>A pool a test can meddle with.</summary>
    public static Task<TrustedPool> StartAsync(int hosts = 4, int clusters = 1, bool approve = true, bool enrol = true) => TrustedPool.StartAsync(hosts, clusters, approve, enrol, services =>
    {
        services.RemoveAll<IAttesterChannel>();
        services.AddSingleton<MeddlingChannel>();
        services.AddSingleton<IAttesterChannel>(provider =>
        {
            provider.GetRequiredService<SimulatedFleet>();
            return provider.GetRequiredService<MeddlingChannel>();
        });
        services.AddSingleton<MeddlingPause>();
        services.AddSingleton<ISimulationPause>(provider => provider.GetRequiredService<MeddlingPause>());
    });
}
