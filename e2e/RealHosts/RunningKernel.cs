using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Portal.E2E;

/// <summary>Measures files into PCR 10 of a TPM and lists them, as the kernel's IMA does with template ima-ng. Source: Linux kernel, "IMA Template Management Mechanism".</summary>
internal sealed class RunningKernel(SoftwareTpm tpm)
{
    private readonly List<string> lines = [];

    /// <summary>The kernel starts: what firmware measured comes first, in one digest.</summary>
    public async Task StartAsync()
    {
        lines.Clear();
        await tpm.RunAsync("tpm2_pcrread", "sha256:0,1,2,3,4,5,6,7,8,9", "-o", "boot.bin");
        await MeasureAsync("boot_aggregate", SHA256.HashData(tpm.Read("boot.bin")));
    }

    /// <summary>A file is used.</summary>
    public Task UseAsync(string path, string content) => MeasureAsync(path, SHA256.HashData(Encoding.UTF8.GetBytes(content)));

    /// <summary>A file is written while it is used.</summary>
    public async Task UseWhileWrittenAsync(string path)
    {
        lines.Add($"10 {new string('0', 40)} ima-ng sha256:{new string('0', 64)} {path}\n");
        await tpm.RunAsync("tpm2_pcrextend", $"10:sha256={new string('f', 64)}");
    }

    /// <summary>Takes an entry out of the list; PCR 10 remembers it.</summary>
    public void Forget(int entry) => lines.RemoveAt(entry);

    /// <summary>The list from an entry on; whole when there are not so many.</summary>
    public (int First, string Text) From(int entry)
    {
        var first = entry <= lines.Count ? entry : 0;
        return (first, string.Concat(lines.Skip(first)));
    }

    private async Task MeasureAsync(string path, byte[] digest)
    {
        byte[] template = [.. Sized([.. "sha256:\0"u8, .. digest]), .. Sized([.. Encoding.UTF8.GetBytes(path), 0])];
#pragma warning disable CA5350 // The list's own column is SHA-1, whatever the bank.
        lines.Add($"10 {Convert.ToHexStringLower(SHA1.HashData(template))} ima-ng sha256:{Convert.ToHexStringLower(digest)} {path}\n");
#pragma warning restore CA5350
        await tpm.RunAsync("tpm2_pcrextend", $"10:sha256={Convert.ToHexStringLower(SHA256.HashData(template))}");
    }

    private static byte[] Sized(byte[] field)
    {
        var sized = new byte[sizeof(uint) + field.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(sized, (uint)field.Length);
        field.CopyTo(sized, sizeof(uint));
        return sized;
    }
}
