using Portal.Core.Virtualization.Connecting;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Tries a way to a libvirt by a connection of its own. One that a frozen daemon never answers is let go of when it does.</summary>
/// <param name="options">Deadlines.</param>
/// <param name="time">Their clock.</param>
internal sealed class LibvirtProbe(LibvirtOptions options, TimeProvider time) : IHypervisorProbe
{
    public async Task<ProbedHypervisor> TryAsync(LibvirtAddress address, HypervisorCredentials credentials, CancellationToken ct)
    {
        if (LibvirtCredentials.Lacking(address, credentials) is { } lacking)
        {
            return new ProbedHypervisor(null, null, lacking);
        }

        var opening = Task.Factory.StartNew(
            () => LibvirtSession.Open(address, credentials, options, static _ => { }), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await AskAsync(await opening.WaitAsync(options.OpenDeadline, time, ct), ct);
        }
        catch (LibvirtFault fault)
        {
            return new ProbedHypervisor(null, null, fault.Message);
        }
        catch (TimeoutException)
        {
            return new ProbedHypervisor(null, null, $"It did not answer within {options.OpenDeadline.TotalSeconds:0.#} seconds.");
        }
        finally
        {
            _ = opening.ContinueWith(late => late.Result.Drop("It was only tried."), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        }
    }

    private async Task<ProbedHypervisor> AskAsync(LibvirtSession session, CancellationToken ct)
    {
        try
        {
            return new ProbedHypervisor(session.Sentence, await session.CallAsync(options.CallDeadline, time, connect => HostDescription.Of(connect, session.Sentence), ct), null);
        }
        catch (LibvirtFault fault)
        {
            return new ProbedHypervisor(session.Sentence, null, fault.Message);
        }
    }
}
