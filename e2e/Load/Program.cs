using System.Diagnostics;
using System.Globalization;
using Portal.E2E.Load;

if (args is [AgentProcess.Argument, var number])
{
    return await AgentProcess.ServeAsync(int.Parse(number, CultureInfo.InvariantCulture));
}

// Prints what the portal does per second beside its targets, as a Markdown table. Not a test: figures depend on the machine and on what else it does.
(string Part, Func<CancellationToken, Task<IReadOnlyList<Figure>>> Measure)[] parts =
[
    ("quotes", Quotes.MeasureAsync),
    ("round", Rounds.MeasureAsync),
    ("placement", Placements.MeasureAsync),
    ("hosts", HostQueries.MeasureAsync),
    ("pages", HostPages.MeasureAsync),
    ("agents", Agents.MeasureAsync),
    ("servers", Servers.MeasureAsync),
    ("libvirt", Libvirts.MeasureAsync),
];

var asked = args.Length == 0 ? "all" : args[0];
var wanted = parts.Where(p => asked == "all" || p.Part == asked).ToList();
if (wanted.Count == 0 || args.Length > 1)
{
    await Console.Error.WriteLineAsync($"Usage: dotnet run -c Release --project e2e/Load [-- {string.Join('|', parts.Select(p => p.Part))}|all]");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
var clock = Stopwatch.StartNew();
var figures = new List<Figure>();
var failed = false;
foreach (var (part, measure) in wanted)
{
    // What was measured is printed, whatever becomes of the rest.
    await Console.Error.WriteLineAsync($"{clock.Elapsed.TotalSeconds,4:0} s: {part}");
    using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
    limit.CancelAfter(TimeSpan.FromMinutes(15));
    try
    {
        figures.AddRange(await measure(limit.Token));
    }
    catch (Exception fault)
    {
        failed = true;
        figures.Add(Figure.Only(part, $"not measured: {(limit.IsCancellationRequested ? "it took too long" : fault.Message.Split('\n')[0])}"));
        await Console.Error.WriteLineAsync(fault.ToString());
    }
}

await Fleet.EndAsync();
Console.WriteLine(await Machine.DescribeAsync(CancellationToken.None));
Console.WriteLine();
Figure.Print(Console.Out, figures);
await Console.Error.WriteLineAsync($"{clock.Elapsed.TotalSeconds,4:0} s: done");
return failed ? 1 : 0;
