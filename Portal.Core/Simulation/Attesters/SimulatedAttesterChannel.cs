using System.Collections.Concurrent;
using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation.Attesters;

/// <summary>The way to the TPMs of simulated hosts. Answers from memory: a quote writes nothing.</summary>
public sealed class SimulatedAttesterChannel : IAttesterChannel
{
    private const int PcrCount = 24;

    private readonly SimulationState state;
    private readonly BootImages images;
    private readonly SimulatedKeys keys;
    private readonly TimeProvider time;
    private readonly ConcurrentDictionary<string, Fault> faults = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, QuotePlan> last = new(StringComparer.Ordinal);

    /// <summary>Attesters of a simulated world.</summary>
    /// <param name="state">The simulated world.</param>
    /// <param name="images">What its hosts booted.</param>
    /// <param name="time">The clock its TPMs count by.</param>
    public SimulatedAttesterChannel(SimulationState state, BootImages images, TimeProvider time) =>
        (this.state, this.images, this.time, keys) = (state, images, time, new SimulatedKeys(state));

    /// <inheritdoc/>
    public bool SharesKeys => state.HostCount > SimulatedKeys.Size;

    /// <summary>How long <see cref="Fault.Slow"/> takes to answer.</summary>
    public static TimeSpan SlowAnswer { get; } = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    public bool Reaches(HostEndpoint host) => SimulatedHost.NameIn(host) is not null;

    /// <summary>Makes a host answer dishonestly or badly from now on, or honestly again. Forgotten at the next start.</summary>
    /// <param name="host">The host's name.</param>
    /// <param name="fault">How; null for honestly.</param>
    public void Inject(string host, Fault? fault)
    {
        if (fault is { } wanted)
        {
            faults[host] = wanted;
        }
        else
        {
            faults.TryRemove(host, out _);
        }
    }

    /// <summary>How a host answers dishonestly; null when it is honest.</summary>
    public Fault? FaultOf(string host) => faults.TryGetValue(host, out var fault) ? fault : null;

    /// <summary>Makes the keys of the pool that the fleet needs, ahead of their first use.</summary>
    public async Task WarmUpAsync(CancellationToken ct)
    {
        foreach (var index in state.Hosts.Select(h => h.KeyIndex).Distinct().Order())
        {
            await keys.GetAsync(index, ct);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (Answering(host) is not { } attester)
        {
            return new ChannelAnswer.Silent($"The attestation agent of {host.Name} does not answer.");
        }

        var fault = FaultOf(attester.Name);
        switch (fault)
        {
            case Fault.Garbled:
                return new ChannelAnswer.Garbled($"The attestation agent of {host.Name} sent something that is no answer.");
            case Fault.TpmError:
                return new ChannelAnswer.TpmFailed($"The TPM of {host.Name} reported TPM_RC_FAILURE (0x101).");
            case Fault.Slow:
                await Task.Delay(SlowAnswer, time, ct);
                break;
            default:
                break;
        }

        var nonce = Encoding.ASCII.GetBytes(request.Nonce);
        if (nonce.Length > SimulatedTpm.LongestNonce)
        {
            return new ChannelAnswer.TpmFailed($"The TPM of {host.Name} reported TPM_RC_SIZE (0x1D5): the nonce is longer than {SimulatedTpm.LongestNonce} bytes.");
        }

        if (request.Pcrs.Any(pcr => pcr is < 0 or >= PcrCount))
        {
            return new ChannelAnswer.TpmFailed($"The TPM of {host.Name} reported TPM_RC_VALUE (0x184): it has the PCRs 0 to {PcrCount - 1}.");
        }

        return new ChannelAnswer.Answered(await AnswerAsync(attester, request, nonce, fault, ct));
    }

    /// <inheritdoc/>
    public async ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (Answering(host) is not { } attester)
        {
            return null;
        }

        return FaultOf(attester.Name) == Fault.UnrestrictedKey
            ? new AttesterIdentity(keys.Ordinary.PublicArea)
            : new AttesterIdentity((await keys.GetAsync(attester.KeyIndex, ct)).PublicArea);
    }

    private async ValueTask<Evidence> AnswerAsync(SimulatedHost attester, QuoteRequest request, byte[] nonce, Fault? fault, CancellationToken ct)
    {
        var image = images.Of(attester.Booted);
        var key = await keys.GetAsync(attester.KeyIndex, ct);
        var plan = new QuotePlan(image, key, TpmMoment.Of(attester, image, time.GetUtcNow()), nonce, request.Bank, request.Pcrs, TcgAlgorithm.Sha256) { StrangePrograms = attester.StrangePrograms };
        return await AnswerAsync(attester, plan, request, fault, ct) with { Measurements = Measurements(plan, request) };
    }

    private static SentMeasurements? Measurements(QuotePlan plan, QuoteRequest request) =>
        request.MeasurementsFrom is { } entry && plan.Runtime.From(entry) is var (first, text) ? new SentMeasurements(first, text) : null;

    private async ValueTask<Evidence> AnswerAsync(SimulatedHost attester, QuotePlan plan, QuoteRequest request, Fault? fault, CancellationToken ct)
    {
        if (fault is not { } how)
        {
            last[attester.Name] = plan;
            return SimulatedTpm.Quote(plan, request.WithEventLog ? plan.Image.EventLog : null);
        }

        var anothers = await keys.GetAsync((attester.KeyIndex + 2) % SimulatedKeys.Size, ct);
        var changed = Faults.Plan(how, plan, last.GetValueOrDefault(attester.Name), anothers, keys.Ordinary);
        return Faults.Spoil(how, changed, SimulatedTpm.Quote(changed, request.WithEventLog ? changed.Image.EventLog : null));
    }

    private SimulatedHost? Answering(HostEndpoint host) => state.Find(host) is { AgentSilent: false } attester ? attester : null;
}
