using System.Diagnostics;
using Portal.E2E.Load;

// Prints what the portal does per second beside its targets, as a Markdown table. Not a test: figures depend on the machine and on what else it does.
(string Part, Func<CancellationToken, Task<IReadOnlyList<Figure>>> Measure)[] parts =
[
    ("quotes", Quotes.MeasureAsync),
    ("round", Rounds.MeasureAsync),
    ("placement", Placements.MeasureAsync),
    ("hosts", HostPages.MeasureAsync),
];

var asked = args.Length == 0 ? "all" : args[0];
var wanted = parts.Where(p => asked == "all" || p.Part == asked).ToList();
if (wanted.Count == 0 || args.Length > 1)
{
    await Console.Error.WriteLineAsync($"Usage: dotnet run -c Release --project e2e/Load [-- {string.Join('|', parts.Select(p => p.Part))}|all]");
    return 2;
}

using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    limit.Cancel();
};
var clock = Stopwatch.StartNew();
var figures = new List<Figure>();
try
{
    foreach (var (part, measure) in wanted)
    {
        await Console.Error.WriteLineAsync($"{clock.Elapsed.TotalSeconds,4:0} s: {part}");
        figures.AddRange(await measure(limit.Token));
    }
}
finally
{
    await Fleet.EndAsync();
}

Console.WriteLine(await Machine.DescribeAsync(limit.Token));
Console.WriteLine();
Figure.Print(Console.Out, figures);
await Console.Error.WriteLineAsync($"{clock.Elapsed.TotalSeconds,4:0} s: done");
return 0;
