namespace Portal.E2E;

/// <summary>In tests one TPM serves a class, and what is not installed skips.</summary>
public sealed partial class SoftwareTpm : IAsyncLifetime
{
    static partial void Skip(string why) => Assert.Skip(why);
}
