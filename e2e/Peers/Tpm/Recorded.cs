namespace Portal.E2E.Peers.Tpm;

/// <summary>The recordings of Portal.Tests, beside the built tests.</summary>
internal static class Recorded
{
    public static byte[] Tpm(string name) => File($"Tpm/{name}");

    public static byte[] File(string name) => System.IO.File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", name));
}
