using Microsoft.Extensions.Logging;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>
/// Keeps one host connected: opens, opens again when it is lost, waits longer each time it fails. At most one opening is under way; one that a frozen
/// daemon never answers stays under way, and is used if the daemon goes on.
/// </summary>
internal sealed partial class LibvirtConnection : IAsyncDisposable
{
    private readonly HostEndpoint host;
    private readonly IHypervisorSecrets secrets;
    private readonly LibvirtOptions options;
    private readonly TimeProvider time;
    private readonly Action<HypervisorEvent> tell;
    private readonly ILogger log;
    private readonly CancellationTokenSource stop = new();
    private readonly DomainEvents events;
    private readonly Lock sync = new();
    private readonly Task keeping;
    private TaskCompletionSource attempt = New();
    private TaskCompletionSource wake = New();
    private LibvirtSession? session;
    private bool? answers;
    private string sentence = "";
    private long usedAt;

    /// <summary>Begins to connect.</summary>
    /// <param name="host">Which host.</param>
    /// <param name="secrets">What signs in to it.</param>
    /// <param name="options">Deadlines.</param>
    /// <param name="time">Their clock.</param>
    /// <param name="tell">Takes what happens; must return at once.</param>
    /// <param name="log">For operators.</param>
    public LibvirtConnection(HostEndpoint host, IHypervisorSecrets secrets, LibvirtOptions options, TimeProvider time, Action<HypervisorEvent> tell, ILogger log)
    {
        (this.host, this.secrets, this.options, this.time, this.tell, this.log) = (host, secrets, options, time, tell, log);
        events = new DomainEvents(host.Id, this, tell, stop.Token);
        usedAt = time.GetTimestamp();
        keeping = Task.Run(KeepAsync);
    }

    /// <summary>Where it connects to.</summary>
    public HostEndpoint Host => host;

    /// <summary>Version of the credentials it was last opened with, or tried to; null before they were looked at.</summary>
    public long? CredentialsVersion { get; private set; }

    /// <summary>How long nobody called through it.</summary>
    public TimeSpan Idle => time.GetElapsedTime(Volatile.Read(ref usedAt));

    /// <summary>Whether it is connected now, and how or why not; null before the first attempt ended.</summary>
    public ConnectionEvent? State
    {
        get
        {
            lock (sync)
            {
                return answers is { } known ? new ConnectionEvent(host.Id, known, sentence) : null;
            }
        }
    }

    /// <summary>The guests that were asked to shut down.</summary>
    public ShutdownsAsked ShutdownsAsked { get; } = new();

    /// <summary>The connection; waits for an opening that is under way, or due.</summary>
    /// <exception cref="LibvirtFault">There is none.</exception>
    public async Task<LibvirtSession> SessionAsync(CancellationToken ct)
    {
        Volatile.Write(ref usedAt, time.GetTimestamp());
        Task ending;
        lock (sync)
        {
            if (session is { } open)
            {
                return open;
            }

            ending = attempt.Task;
            wake.TrySetResult();
        }

        try
        {
            await ending.WaitAsync(options.OpenDeadline, time, ct);
        }
        catch (TimeoutException)
        {
            // Told below.
        }

        lock (sync)
        {
            return session ?? throw LibvirtFault.Silent(sentence.Length > 0 ? sentence : "It does not answer.");
        }
    }

    /// <summary>Runs a call with the usual deadline.</summary>
    /// <exception cref="LibvirtFault">It failed, or the host does not answer.</exception>
    public async Task<T> CallAsync<T>(Func<ConnectHandle, T> call, CancellationToken ct) =>
        await (await SessionAsync(ct)).CallAsync(options.CallDeadline, time, call, ct);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        lock (sync)
        {
            session?.Drop("The portal let go of it.");
            attempt.TrySetResult();
        }

        await keeping;
        stop.Dispose();
    }

    private async Task KeepAsync()
    {
        var wait = options.ShortestBackOff;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var opened = await OpenAsync();
                wait = options.ShortestBackOff;
                Up(opened);
                Down(await opened.Ended.WaitAsync(stop.Token));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (LibvirtFault fault)
            {
                Down(fault.Message);
            }
            catch (Exception fault)
            {
                Failed(log, host.Name, fault);
                Down("What signs in to it cannot be used: its key cannot be opened, or its files cannot be written.");
            }

            wait = await BackOffAsync(wait);
        }
    }

    /// <summary>Waits; a caller in need cuts it short, down to the shortest wait.</summary>
    private async Task<TimeSpan> BackOffAsync(TimeSpan wait)
    {
        try
        {
            // Who asks in this time is told what was found; who asks later waits for the next attempt, and has it made at once.
            await Task.Delay(options.ShortestBackOff, time, stop.Token);
            Task needed;
            lock (sync)
            {
                (attempt, wake) = (New(), New());
                needed = wake.Task;
            }

            if (wait > options.ShortestBackOff)
            {
                using var rest = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
                await Task.WhenAny(Task.Delay(wait - options.ShortestBackOff, time, rest.Token), needed);
                await rest.CancelAsync();
            }
        }
        catch (OperationCanceledException)
        {
            return wait;
        }

        return TimeSpan.FromTicks(Math.Min(wait.Ticks * 2, options.LongestBackOff.Ticks));
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task<LibvirtSession> OpenAsync()
    {
        var address = LibvirtAddress.Parse(host.LibvirtUri, options.AllowsUnprotected);
        if (!address.Succeeded)
        {
            throw LibvirtFault.Silent(address.Refusal.Sentence);
        }

        var known = await secrets.OfAsync(host.Id, stop.Token);
        CredentialsVersion = known.Version;
        if (LibvirtCredentials.Lacking(address.Value, known) is { } lacking)
        {
            throw LibvirtFault.Silent(lacking);
        }

        var opening = Task.Factory.StartNew(
            () => LibvirtSession.Open(address.Value, known, options, events.Note), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await opening.WaitAsync(options.OpenDeadline, time, stop.Token);
        }
        catch (TimeoutException)
        {
            Down($"It did not answer within {options.OpenDeadline.TotalSeconds:0.#} seconds.");
        }
        catch (OperationCanceledException)
        {
            LetGo(opening);
            throw;
        }

        try
        {
            return await opening.WaitAsync(stop.Token);
        }
        catch (OperationCanceledException)
        {
            LetGo(opening);
            throw;
        }
    }

    private static void LetGo(Task<LibvirtSession> opening) => _ =
        opening.ContinueWith(late => late.Result.Drop("Nobody waits for it any more."), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);

    private void Up(LibvirtSession opened)
    {
        lock (sync)
        {
            (session, answers, sentence) = (opened, true, $"{opened.Sentence}, by {host.LibvirtUri}");
            attempt.TrySetResult();
            tell(new ConnectionEvent(host.Id, true, sentence));
        }
    }

    private void Down(string why)
    {
        lock (sync)
        {
            var news = answers is not false || sentence != why;
            (session, answers, sentence) = (null, false, why);
            attempt.TrySetResult();
            if (news)
            {
                tell(new ConnectionEvent(host.Id, false, why));
                Lost(log, host.Name, why);
            }
        }
    }

    [LoggerMessage(321, LogLevel.Warning, "The hypervisor of {Host} does not answer: {Why}")]
    private static partial void Lost(ILogger log, string host, string why);

    [LoggerMessage(322, LogLevel.Error, "What signs in to the hypervisor of {Host} cannot be used")]
    private static partial void Failed(ILogger log, string host, Exception fault);
}
