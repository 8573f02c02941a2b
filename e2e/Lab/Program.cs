using System.Globalization;
using System.Runtime.InteropServices;
using Portal.E2E;

// Three hosts with libvirt, QEMU and a TPM each, and the portal beside them, for a person to try. Runs until it is told to stop, and takes everything down.
const int HostCount = 3;
var address = new Uri(args.Length > 0 ? args[0] : "http://127.0.0.1:5080");

if (RealPool.Missing is { } missing)
{
    await Console.Error.WriteLineAsync(missing);
    return 1;
}

var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var boot = await File.ReadAllBytesAsync(Path.Combine(AppContext.BaseDirectory, "eventlog.bin"));
await using var pool = await RealPool.StartAsync(HostCount, boot, address, Console.WriteLine);
Console.WriteLine();
Console.WriteLine($"The portal is at {pool.Portal.Address} (users as in the demo, password 'demo'). Its cluster is '{RealPool.Cluster}', its template '{RealPool.Template}'.");
foreach (var host in pool.Hosts)
{
    Console.WriteLine($"  {host.Name}: virsh -c {host.Libvirt.Host.LibvirtUri} list --all");
}

Console.WriteLine("Type 'measure kvm-1' to have a host's boot loader measure something nobody approved, 'reboot kvm-1' to boot it as approved, 'stop' to take it all down.");
while (!stopped.Task.IsCompleted)
{
    var line = Task.Run(Console.ReadLine);
    if (await Task.WhenAny(line, stopped.Task) == stopped.Task)
    {
        break;
    }

    switch ((await line)?.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
    {
        case ["measure", var name] when pool.Hosts.FirstOrDefault(h => h.Name == name) is { } host:
            await host.Agent.Boot.MeasureAsync(4, $"something nobody approved, {DateTimeOffset.UtcNow.ToString("T", CultureInfo.InvariantCulture)}");
            Console.WriteLine($"{name} measured it. The portal sees it when it asks {name} next, or at once with 'Attest now'.");
            break;
        case ["reboot", var name] when pool.Hosts.FirstOrDefault(h => h.Name == name) is { } host:
            await host.Agent.Tpm.RebootAsync();
            await host.Agent.Boot.RunAsync(boot);
            Console.WriteLine($"{name} booted as approved.");
            break;
        case ["stop"]:
            stopped.TrySetResult();
            break;
        case null:
            // Nobody types here; signals end it.
            await stopped.Task;
            break;
        case []:
            break;
        default:
            Console.WriteLine("measure HOST, reboot HOST or stop.");
            break;
    }
}

Console.WriteLine("Taking it down.");
return 0;

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stopped.TrySetResult();
}
