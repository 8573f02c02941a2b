using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>One run of the script on a host, within its limits.</summary>
internal sealed class ScriptRun(Guid operation, Preparations.Preparation preparation, Preparations preparations, PreparationLimits limits) : IDisposable
{
    private readonly CancellationTokenSource silence = new();
    private readonly CancellationTokenSource whole = new();
    private bool floods;

    public async Task<CommandEnd> ToEndAsync(SshConnection connection, RootShell shell, HostScript script, PreparationRequest request, CancellationToken ct)
    {
        string[] words = [.. Mode(request.Mode), .. request.Without.SelectMany(check => new[] { "--without", check })];
        whole.CancelAfter(limits.Whole);
        silence.CancelAfter(limits.Silence);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token, whole.Token);
        try
        {
            return await connection.RunAsync(shell.Command(string.Join(' ', words)), shell.Input(script.Text), Hear, any.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new CommandEnd(null);
        }
    }

    /// <summary>Tells the script to stop, beside it on the same connection: then it undoes what it did, and has so long for it.</summary>
    public async Task StopAsync(SshConnection connection, RootShell shell, PreparationMode mode)
    {
        try
        {
            whole.CancelAfter(mode == PreparationMode.Try ? TimeSpan.Zero : limits.Stopping);
            var told = await connection.RunAsync(shell.Command(""), shell.Input("kill -TERM \"$(cat /run/portal-host.lock/pid)\"\n"), static _ => true, whole.Token);
            if (told.ExitCode == 0)
            {
                preparation.Output.Note("(the portal told the script to stop)");
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException)
        {
            // It ended meanwhile.
        }
    }

    /// <summary>Why it has no end.</summary>
    public Refusal Why(bool told) =>
        floods ? new("ssh.flood", RefusalKind.Unavailable, $"The host said more than {limits.Flood >> 20} MiB, so the connection was ended; the script goes on there by itself.", "Look at the host; then run it again or undo it.")
        : told ? new("preparation.not_stopped", RefusalKind.Unavailable, "The script was told to stop; whether it did is not known, because the connection ended.", "Look at the host; then run it again or undo it.")
        : silence.IsCancellationRequested ? new("ssh.silent", RefusalKind.Unavailable, $"The host said nothing for {limits.Silence.TotalMinutes:0.#} minutes, so the connection was ended; the script goes on there by itself.", "Look at the host; then run it again or undo it.")
        : whole.IsCancellationRequested ? new("ssh.slow", RefusalKind.Unavailable, $"The script did not end within {limits.Whole.TotalMinutes:0.#} minutes, so the connection was ended.", "Look at the host; then run it again or undo it.")
        : new("ssh.lost", RefusalKind.Unavailable, "The connection ended before the script did; it goes on there by itself.", "Wait a little, then run it again: what is done stays as it is. Or undo it.");

    public void Dispose()
    {
        silence.Dispose();
        whole.Dispose();
    }

    private bool Hear(ReadOnlyMemory<byte> bytes)
    {
        silence.CancelAfter(limits.Silence);
        preparation.Output.Add(bytes.Span);
        preparations.Tell(operation, preparation);
        floods = preparation.Output.Bytes > limits.Flood;
        return !floods;
    }

    private static string[] Mode(PreparationMode mode) => mode switch
    {
        PreparationMode.Try => ["--dry-run"],
        PreparationMode.Prepare => [],
        PreparationMode.Undo => ["--remove"],
    };
}

/// <summary>Notices that somebody asks to cancel an operation while one of its steps is long at work.</summary>
/// <param name="contexts">The database.</param>
/// <param name="feed">Tells when an operation moves.</param>
internal sealed class CancelWatch(IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed)
{
    /// <summary>What was to be stopped has ended as it should: the operation goes on to its end.</summary>
    public async Task TooLateAsync(Guid operation, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await db.Operations.Where(o => o.Id == operation).ExecuteUpdateAsync(set => set.SetProperty(o => o.CancelRequested, false), ct);
    }

    /// <summary>Calls back once, when it is asked for, until disposed.</summary>
    public async Task<IDisposable> WatchAsync(Guid operation, Func<Task> cancel, CancellationToken ct)
    {
        var once = 0;
        async Task LookAsync()
        {
            await using var db = await contexts.CreateDbContextAsync(ct);
            if (await db.Operations.AsNoTracking().AnyAsync(o => o.Id == operation && o.CancelRequested, ct) && Interlocked.Exchange(ref once, 1) == 0)
            {
                await cancel();
            }
        }

        var subscription = feed.Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.Operation && change.Touches(operation) && Volatile.Read(ref once) == 0)
            {
                _ = Task.Run(LookAsync, ct);
            }
        });
        await LookAsync();
        return subscription;
    }
}
