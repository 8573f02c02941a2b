using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Something a host's libvirt told: numbers of <c>virDomainEventType</c> and its details.</summary>
internal readonly record struct LifecycleEvent(Guid Id, int Event, int Detail);

/// <summary>
/// One open connection to a host, until it is lost or dropped: what happens there is heard on it, and calls go over lines of their own beside it, each
/// used by one thread at a time. libvirt before 10 may lose an answer or crash when two threads call over one (CVE-2024-4418), and Debian 12 has such a
/// one. libvirt's test driver lives in this process and has no lines.
/// </summary>
internal sealed class LibvirtSession
{
    private readonly ConnectHandle connect;
    private readonly Func<ConnectHandle>? openLine;
    private readonly ConcurrentBag<ConnectHandle> idle = [];
    private readonly SemaphoreSlim free;
    private readonly int callsAtOnce;
    private readonly TaskCompletionSource<string> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<LifecycleEvent> happened;
    private int events = -1;
    private int closing;

    private LibvirtSession(ConnectHandle connect, Func<ConnectHandle>? openLine, int callsAtOnce, Action<LifecycleEvent> happened)
    {
        (this.connect, this.openLine, this.callsAtOnce, this.happened) = (connect, openLine, callsAtOnce, happened);
        free = new SemaphoreSlim(callsAtOnce);
    }

    /// <summary>Ends with a sentence when the connection is lost or dropped.</summary>
    public Task<string> Ended => ended.Task;

    /// <summary>How it is reached.</summary>
    public string Sentence { get; private set; } = "";

    /// <summary>Opens a connection; blocks, without limit if the daemon is frozen.</summary>
    /// <exception cref="LibvirtFault">It cannot be opened.</exception>
    public static LibvirtSession Open(LibvirtAddress address, HypervisorCredentials known, LibvirtOptions options, Action<LifecycleEvent> happened)
    {
        LibvirtLibrary.Ensure();
        var session = new LibvirtSession(Line(), address.Transport == LibvirtTransport.Test ? null : Line, options.CallsAtOnce, happened);
        try
        {
            session.Listen();
            return session;
        }
        catch (LibvirtFault)
        {
            session.Drop("It could not be listened to.");
            throw;
        }

        ConnectHandle Line()
        {
            const uint Questions = 3;
            using var laid = LibvirtCredentials.Lay(address, known);
            var line = LibvirtCalls.Must(LibvirtNative.virConnectOpen(laid.Uri));
            LibvirtCalls.Try(LibvirtNative.virConnectSetKeepAlive(line, Math.Max(1, (int)options.KeepAlive.TotalSeconds), Questions), LibvirtCode.NotSupported);
            return line;
        }
    }

    /// <summary>Runs a call on a thread of its own and waits for it. Once begun it is waited for, cancelled or not: what it did must be known.</summary>
    /// <param name="deadline">After which the host counts as not answering, and the connection is dropped.</param>
    /// <param name="time">The clock of the deadline.</param>
    /// <param name="call">The call.</param>
    /// <param name="ct">Cancels while it has not begun.</param>
    /// <exception cref="LibvirtFault">It failed, or was not answered.</exception>
    public async Task<T> CallAsync<T>(TimeSpan deadline, TimeProvider time, Func<ConnectHandle, T> call, CancellationToken ct)
    {
        if (!await WaitForTurnAsync(deadline, time, ct))
        {
            Drop(TooLate(deadline));
            throw LibvirtFault.Silent(TooLate(deadline));
        }

        var running = Task.Factory.StartNew(() => Run(call), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await running.WaitAsync(deadline, time, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            Drop(TooLate(deadline));
            throw LibvirtFault.Silent(TooLate(deadline));
        }
    }

    /// <summary>Runs a call that takes its own time, beside the others and without a deadline: it must end by itself or be ended by another call.</summary>
    public Task<T> LongCallAsync<T>(Func<ConnectHandle, T> call) =>
        Task.Factory.StartNew(() => Hold(call), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Takes a line on the caller's own thread, for calls that need two hosts.</summary>
    /// <exception cref="LibvirtFault">It failed, or the connection was lost.</exception>
    public T Hold<T>(Func<ConnectHandle, T> call)
    {
        if (Volatile.Read(ref closing) == 1)
        {
            throw LibvirtFault.Silent(Lost);
        }

        return openLine is null ? Shared(call) : OnLine(call, idle.TryTake(out var line) ? line : openLine());
    }

    /// <summary>Lets go of the connection; calls that run fail or end by themselves.</summary>
    public void Drop(string why)
    {
        if (Interlocked.Exchange(ref closing, 1) == 1)
        {
            return;
        }

        ended.TrySetResult(why);

        // Goodbyes need the daemon, which may be frozen.
        new Thread(SayGoodbye) { IsBackground = true, Name = "libvirt goodbye" }.Start();
    }

    private const string Lost = "The connection was lost.";

    private T OnLine<T>(Func<ConnectHandle, T> call, ConnectHandle line)
    {
        var isWhole = false;
        try
        {
            var answer = call(line);
            isWhole = true;
            return answer;
        }
        catch (LibvirtFault fault)
        {
            isWhole = !fault.IsSilence;
            throw;
        }
        finally
        {
            if (isWhole && idle.Count < callsAtOnce)
            {
                idle.Add(line);
                if (Volatile.Read(ref closing) == 1)
                {
                    HangUp();
                }
            }
            else
            {
                line.Dispose();
            }
        }
    }

    private T Shared<T>(Func<ConnectHandle, T> call)
    {
        var held = false;
        try
        {
            connect.DangerousAddRef(ref held);
            return call(connect);
        }
        catch (ObjectDisposedException)
        {
            throw LibvirtFault.Silent(Lost);
        }
        finally
        {
            if (held)
            {
                connect.DangerousRelease();
            }
        }
    }

    private void HangUp()
    {
        while (idle.TryTake(out var line))
        {
            line.Dispose();
        }
    }

    private static string TooLate(TimeSpan deadline) => $"It did not answer within {deadline.TotalSeconds:0.#} seconds.";

    private async Task<bool> WaitForTurnAsync(TimeSpan deadline, TimeProvider time, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            await free.WaitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }

    private T Run<T>(Func<ConnectHandle, T> call)
    {
        try
        {
            return Hold(call);
        }
        finally
        {
            free.Release();
        }
    }

    private unsafe void Listen()
    {
        const int Lifecycle = 0;
        LibvirtCalls.Try(LibvirtNative.virConnectRegisterCloseCallback(connect, &Closed, Pin(), &Unpin), LibvirtCode.NotSupported);
        events = LibvirtNative.virConnectDomainEventRegisterAny(connect, 0, Lifecycle, &Happened, Pin(), &Unpin);
        LibvirtCalls.Must(events);
        Sentence = Versions();
    }

    private string Versions()
    {
        const int Million = 1_000_000;
        const int Thousand = 1000;
        LibvirtCalls.Must(LibvirtNative.virConnectGetLibVersion(connect, out var library));
        LibvirtCalls.Must(LibvirtNative.virConnectGetVersion(connect, out var hypervisor));
        return $"{LibvirtCalls.Borrowed(LibvirtNative.virConnectGetType(connect))} {Number(hypervisor)}, libvirt {Number(library)}";

        static string Number(nuint version) => $"{version / Million}.{version / Thousand % Thousand}.{version % Thousand}";
    }

    private unsafe void SayGoodbye()
    {
        HangUp();
        if (events >= 0)
        {
            _ = LibvirtNative.virConnectDomainEventDeregisterAny(connect, events);
        }

        _ = LibvirtNative.virConnectUnregisterCloseCallback(connect, &Closed);
        connect.Dispose();
    }

    private nint Pin() => GCHandle.ToIntPtr(GCHandle.Alloc(this));

    [UnmanagedCallersOnly]
    private static void Unpin(nint opaque) => GCHandle.FromIntPtr(opaque).Free();

    [UnmanagedCallersOnly]
    private static void Closed(nint connect, int reason, nint opaque)
    {
        const int Keepalive = 2;
        ((LibvirtSession)GCHandle.FromIntPtr(opaque).Target!).Drop(reason == Keepalive ? "It does not answer any more." : Lost);
    }

    [UnmanagedCallersOnly]
    private static int Happened(nint connect, nint domain, int happening, int detail, nint opaque)
    {
        if (LibvirtCalls.Uuid(domain) is { } id)
        {
            ((LibvirtSession)GCHandle.FromIntPtr(opaque).Target!).happened(new LifecycleEvent(id, happening, detail));
        }

        return 0;
    }
}
