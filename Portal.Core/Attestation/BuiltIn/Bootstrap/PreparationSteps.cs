using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>Signs in on the host, by the key a person confirmed.</summary>
internal sealed class SignInStep(SshReach reach, Preparations preparations) : OperationStep<PreparationWork>
{
    public override string Title => "Sign in on the host";

    public override Task<string?> CheckAsync(OperationContext<PreparationWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        var request = context.Data.Request;
        if (preparations.Find(context.Operation.Id) is not { } preparation)
        {
            return Interrupted(false);
        }

        var opened = await reach.OpenAsync(request.Address, request.Port, request.Fingerprint, preparation.Credentials, ct);
        if (!opened.Succeeded)
        {
            return opened.Refusal;
        }

        preparation.Connection = opened.Value;
        return $"Signed in as {context.Data.User} on {request.Address}, which showed the confirmed key.";
    }

    /// <summary>Whatever happened, the connection ends and the credentials are wiped.</summary>
    public override Task UndoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        preparations.End(context.Operation.Id);
        return Task.CompletedTask;
    }

    internal static Refusal Interrupted(bool mayHaveBegun) => mayHaveBegun
        ? Refusal.Conflict("preparation.interrupted", "The portal stopped while the script may have been running on the host; what came of it is not known here. The credentials are gone.", "Run it again: what is done stays as it is. Or undo it.")
        : Refusal.Conflict("preparation.not_begun", "The portal stopped before it signed in; nothing was done on the host. The credentials are gone.", "Run it again.");
}

/// <summary>Runs the script and listens.</summary>
internal sealed class RunScriptStep(HostScripts scripts, Preparations preparations, CancelWatch cancels, PreparationLimits limits) : OperationStep<PreparationWork>
{
    private const int Interrupted = 30;

    public override string Title => "Run the script";

    public override Task<string?> CheckAsync(OperationContext<PreparationWork> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        if (preparations.Find(context.Operation.Id) is not { Connection: { } connection } preparation)
        {
            return SignInStep.Interrupted(true);
        }

        var made = scripts.Make(new HostScriptChoice());
        if (!made.Succeeded)
        {
            return made.Refusal;
        }

        context.Data.ScriptSha256 = made.Value.Sha256;
        var shell = await ShellAsync(context.Data.User, connection, preparation.Credentials, ct);
        if (!shell.Succeeded)
        {
            return shell.Refusal;
        }

        var run = new ScriptRun(context.Operation.Id, preparation, preparations, limits);
        var told = false;
        using var disposed = run;
        using var watch = await cancels.WatchAsync(context.Operation.Id, async () =>
        {
            told = true;
            await run.StopAsync(connection, shell.Value, context.Data.Request.Mode);
        }, ct);
        var end = await run.ToEndAsync(connection, shell.Value, made.Value, context.Data.Request, ct);
        var output = preparation.Output;
        output.Close();
        context.Data.Output = output.Lines;
        context.Data.EndorsementHash = output.Last(HostScript.EndorsementKey) is { } hash && EnrolmentTickets.IsHash(hash) ? hash : null;
        context.Data.RanToItsEnd = end.ExitCode == 0 && context.Data.Request.Mode != PreparationMode.Try;
        if (context.Data.RanToItsEnd)
        {
            await cancels.TooLateAsync(context.Operation.Id, ct);
        }

        return end switch
        {
            { ExitCode: 0 } => context.Data.Request.Mode switch
            {
                PreparationMode.Try => "Nothing was changed; what it would do stands below.",
                PreparationMode.Prepare => "The host is prepared; its agent registers by itself.",
                PreparationMode.Undo => "What the script did on the host is undone.",
            },
            { ExitCode: Interrupted } when told => OperationStop.Refusal("The script was told to stop and undid what it had done."),
            { ExitCode: null } when told && context.Data.Request.Mode == PreparationMode.Try => OperationStop.Refusal("It was ended; trying changes nothing."),
            { ExitCode: { } code } => Refusal.Conflict($"preparation.exit.{code}", Sentence(output, code), "Mend it on the host, then run it again."),
            _ => run.Why(told),
        };
    }

    /// <summary>The script itself undoes what a stopped run did. One that ran to its end stays done, and the operation says so.</summary>
    public override Task UndoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        if (context.Data.RanToItsEnd)
        {
            (context.Operation.FailureCode, context.Operation.Failure) = ("preparation.too_late", "The script had run to its end before it could be stopped; what it did on the host stays. Undo it if it is not wanted.");
        }

        return Task.CompletedTask;
    }

    private static string Sentence(HostOutput output, int code) =>
        output.Last(HostScript.Stopped) is { Length: > 0 } why ? $"The script on the host stopped: {why.TrimEnd('.')}."
        : output.Lines is [.., var last] ? $"The script did not run to its end (exit code {code}). The host said last: {last}"
        : $"The script did not run (exit code {code}), and the host said nothing.";

    /// <summary>Root runs it; anybody else by sudo, whose password is asked for whenever sudo wants one.</summary>
    private async Task<Outcome<RootShell>> ShellAsync(string user, SshConnection connection, SshCredentials credentials, CancellationToken ct)
    {
        if (user == "root")
        {
            return new RootShell("", []);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(limits.Connect);
        CommandEnd asked;
        try
        {
            asked = await connection.RunAsync("sh -c 'sudo -k -n true'", default, static _ => true, deadline.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            asked = new CommandEnd(null);
        }

        return asked.ExitCode switch
        {
            0 => new RootShell("sudo -n ", []),
            null => new Refusal("ssh.lost", RefusalKind.Unavailable, "The connection ended before anything was done.", "Try again."),
            _ when credentials.HasPassword => new RootShell("sudo -k -S -p \"\" ", [.. credentials.Password, (byte)'\n']),
            _ => Refusal.Invalid("ssh.sudo", "password", $"{user} is not root, and sudo asks for a password.", "Type the user's password beside the key, or sign in as root."),
        };
    }
}

/// <summary>A shell of root's on the host.</summary>
/// <param name="Sudo">What stands before it.</param>
/// <param name="First">What sudo reads first.</param>
internal sealed record RootShell(string Sudo, byte[] First)
{
    /// <summary>A command line that any login shell hands on as it is: what runs is read from standard input.</summary>
    /// <param name="arguments">Words of ours, without quotes.</param>
    public string Command(string arguments) => $"sh -c 'exec {Sudo}sh -s -- {arguments} 2>&1'";

    /// <summary>What it reads.</summary>
    public byte[] Input(string text) => [.. First, .. Encoding.UTF8.GetBytes(text)];
}

/// <summary>Expects the registration of the host whose endorsement key the script read.</summary>
internal sealed class ExpectStep(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, Preparations preparations, TimeProvider time) : OperationStep<PreparationWork>
{
    public override string Title => "Expect its registration";

    public override async Task<string?> CheckAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.EnrolmentTickets.AnyAsync(t => t.Id == context.Operation.Id, ct) ? Said(context.Data) : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        preparations.End(context.Operation.Id);
        var (request, now) = (context.Data.Request, time.GetUtcNow());
        await using var db = await contexts.CreateDbContextAsync(ct);
        var target = new AuditTarget(PreparationWork.TargetKind, context.Operation.Id, request.HostName);
        if (request.Mode != PreparationMode.Try)
        {
            audit.Add(db, context.Person, request.Mode == PreparationMode.Prepare ? "host.prepared" : "host.preparation_undone", target, $"{context.Operation.Title}: the script {context.Data.ScriptSha256[..16]}… ran to its end on {request.Address} as {context.Data.User}.");
        }

        if (request.Mode == PreparationMode.Prepare && context.Data.EndorsementHash is { } hash && await db.Clusters.AnyAsync(c => c.Id == request.ClusterId, ct))
        {
            // The operation's id: done twice, it is there once.
            db.EnrolmentTickets.Add(new EnrolmentTicket
            {
                Id = context.Operation.Id,
                HostName = request.HostName,
                ClusterId = request.ClusterId,
                CreatedBy = context.Person.Name,
                CreatedAt = now,
                ExpiresAt = now,
                UsedAt = now,
                UsedFrom = request.Address,
                EndorsementHash = hash.ToLowerInvariant(),
            });
        }

        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Attester));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return Said(context.Data);
    }

    public override async Task UndoAsync(OperationContext<PreparationWork> context, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await db.EnrolmentTickets.Where(t => t.Id == context.Operation.Id).ExecuteDeleteAsync(ct);
    }

    private static string Said(PreparationWork work) => work.Request.Mode switch
    {
        PreparationMode.Try => "Nothing to expect.",
        PreparationMode.Undo => "Nothing to expect; a registration that is here already can be removed on the page Enrolment.",
        PreparationMode.Prepare => work.EndorsementHash is { } hash
            ? $"The registration with the endorsement key {hash} is shown as {work.Request.HostName}; people still accept and enrol it."
            : "The script could not read the endorsement key, so the registration is not told apart from others.",
    };
}
