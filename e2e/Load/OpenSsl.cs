using System.Diagnostics;
using System.Globalization;

namespace Portal.E2E.Load;

/// <summary><c>openssl speed</c>, the yardstick. It counts processor time, as we do.</summary>
internal static class OpenSsl
{
    public static async Task<string> VersionAsync(CancellationToken ct)
    {
        var words = (await RunAsync(["version"], ct)).Split(' ');
        return $"{words[0]} {words[1]}";
    }

    /// <summary>Verifications per second of processor time.</summary>
    /// <param name="algorithm"><c>rsa2048</c> or <c>ecdsap256</c>.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<double> VerifiesAsync(string algorithm, CancellationToken ct)
    {
        // Machine readable: +F2:number:bits:signs per second:verifies per second.
        var lines = await RunAsync(["speed", "-mr", "-seconds", "1", algorithm], ct);
        var result = lines.Split('\n').Single(l => l.StartsWith("+F", StringComparison.Ordinal));
        return double.Parse(result.Split(':')[^1], CultureInfo.InvariantCulture);
    }

    private static async Task<string> RunAsync(string[] arguments, CancellationToken ct)
    {
        using var process = Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync(ct);
            var output = await process.StandardOutput.ReadToEndAsync(ct);
            await errors;
            await process.WaitForExitAsync(ct);
            return output;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
