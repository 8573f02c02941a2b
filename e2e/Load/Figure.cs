using System.Globalization;

namespace Portal.E2E.Load;

/// <summary>One line of the table.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Measured">What came out, with its unit.</param>
/// <param name="Target">What was promised; empty for a figure that only explains others.</param>
/// <param name="Ratio">How it compares: to OpenSSL where the target says so, else how many times better than the target.</param>
/// <param name="Met">Whether the target is met; null when there is none.</param>
internal sealed record Figure(string What, string Measured, string Target = "", double? Ratio = null, bool? Met = null)
{
    /// <summary>A rate beside a reference measured in the same run.</summary>
    public static Figure Beside(string what, double ours, double theirs, double least) => new(
        what,
        Text($"{ours:N0}/s (OpenSSL {theirs:N0}/s)"),
        Text($"≥ {least} of OpenSSL"),
        ours / theirs,
        ours / theirs >= least);

    /// <summary>A figure that must reach its target.</summary>
    public static Figure AtLeast(string what, double measured, double target, string unit, string more = "") =>
        new(what, Text($"{measured:N0} {unit}") + more, Text($"≥ {target:N0} {unit}"), measured / target, measured >= target);

    /// <summary>A figure that must stay under its target.</summary>
    public static Figure AtMost(string what, double measured, double target, string unit, string more = "") =>
        new(what, Text($"{measured:0.0#} {unit}") + more, Text($"< {target:0.##} {unit}"), target / measured, measured < target);

    /// <summary>A figure that explains others.</summary>
    public static Figure Only(string what, FormattableString measured) => new(what, Text(measured));

    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    public static void Print(TextWriter to, IReadOnlyList<Figure> figures)
    {
        to.WriteLine("| figure | measured | target | ratio | met |");
        to.WriteLine("|---|---|---|---|---|");
        foreach (var figure in figures)
        {
            var ratio = figure.Ratio is { } r ? Text($"{r:0.00}") : "";
            var met = figure.Met is { } m ? m ? "yes" : "**no**" : "";
            to.WriteLine($"| {figure.What} | {figure.Measured} | {figure.Target} | {ratio} | {met} |");
        }

        to.WriteLine();
        to.WriteLine("Ratio: to OpenSSL where the target names it, else how many times better than the target.");
    }
}
