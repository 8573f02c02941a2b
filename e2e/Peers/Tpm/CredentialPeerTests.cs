using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.E2E.Peers.Tpm;

/// <summary>Credentials of ours opened by a running TPM with tpm2_activatecredential.</summary>
public sealed class CredentialPeerTests(SoftwareTpm tpm) : IClassFixture<SoftwareTpm>
{
    /// <summary>RSA-2048 and P-384 are the keys swtpm leaves its factory with; P-256 is made by the tool from the TCG's template.</summary>
    [Theory]
    [InlineData(SoftwareTpm.RsaEndorsement, 2048, TpmAlgorithm.Sha256, 128)]
    [InlineData("ecc", 256, TpmAlgorithm.Sha256, 128)]
    [InlineData(SoftwareTpm.EccEndorsement, 384, TpmAlgorithm.Sha384, 256)]
    public async Task Credential_OfOurs_IsOpenedByTheTpmItIsFor(string kind, int size, TpmAlgorithm nameHash, int aesBits)
    {
        tpm.RequireOrSkip();
        await CreateKeysAsync(kind, "mine", "other");
        var endorsement = EndorsementKey.Accept(tpm.Read("ek.pub")).Value;
        Assert.Equal(size, endorsement.Public.Type == TpmAlgorithm.Rsa ? endorsement.Public.KeyBits : endorsement.Public.X.Length * 8);
        Assert.Equal(nameHash, endorsement.Public.NameAlgorithm);
        Assert.Equal(aesBits, endorsement.Public.Symmetric.KeyBits);
        using var attestation = AttestationKey.Accept(tpm.Read("mine.pub")).Value;
        Assert.Equal(tpm.Read("mine.name"), attestation.Name.ToArray());
        var secret = RandomNumberGenerator.GetBytes(32);

        tpm.Write("cred.blob", MakeCredential.For(endorsement, attestation, secret).ToFile());

        Assert.Equal(secret, await ActivateAsync(kind, "mine"));
        Assert.Null(await ActivateAsync(kind, "other"));
    }

    [Fact]
    public async Task Credential_ForAnotherTpm_IsNotOpened()
    {
        tpm.RequireOrSkip();
        await CreateKeysAsync("ecc", "mine");
        using var attestation = AttestationKey.Accept(tpm.Read("mine.pub")).Value;
        var stranger = tpm.Read("ek.pub");
        using var foreign = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var point = foreign.ExportParameters(includePrivateParameters: false).Q;
        // The point is the end of the area: two numbers of 32 bytes, each after its length.
        point.X!.CopyTo(stranger, stranger.Length - 66);
        point.Y!.CopyTo(stranger, stranger.Length - 32);

        tpm.Write("cred.blob", MakeCredential.For(EndorsementKey.Accept(stranger).Value, attestation, new byte[32]).ToFile());

        Assert.Null(await ActivateAsync("ecc", "mine"));
    }

    private async Task CreateKeysAsync(string kind, params string[] attestationKeys)
    {
        var endorsement = kind == "ecc" ? "ek.ctx" : kind;
        if (kind == "ecc")
            await tpm.RunAsync("tpm2_createek", "-c", endorsement, "-G", "ecc", "-u", "ek.pub");
        else
            await tpm.RunAsync("tpm2_readpublic", "-c", endorsement, "-o", "ek.pub");
        foreach (var name in attestationKeys)
        {
            await tpm.RunAsync("tpm2_createak", "-C", endorsement, "-c", $"{name}.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa",
                "-u", $"{name}.pub", "-n", $"{name}.name");
        }
    }

    /// <summary>What the TPM takes out of the credential for a key; null when it refuses.</summary>
    private async Task<byte[]?> ActivateAsync(string kind, string name)
    {
        // The key swtpm made itself opens with its empty password; the others want the policy of the TCG's low templates.
        var authorization = kind == SoftwareTpm.EccEndorsement ? Array.Empty<string>() : ["-P", "session:policy.ctx"];
        if (authorization.Length > 0)
        {
            await tpm.TryAsync("tpm2_startauthsession", "--policy-session", "-S", "policy.ctx");
            await tpm.TryAsync("tpm2_policysecret", "-S", "policy.ctx", "-c", "e");
        }
        File.Delete(tpm.PathOf("opened"));
        var (exitCode, _, error) = await tpm.TryAsync("tpm2_activatecredential",
            ["-c", $"{name}.ctx", "-C", kind == "ecc" ? "ek.ctx" : kind, "-i", "cred.blob", "-o", "opened", .. authorization]);
        await tpm.TryAsync("tpm2_flushcontext", "--loaded-session");
        await tpm.TryAsync("tpm2_flushcontext", "--transient-object");
        if (exitCode == 0)
            return tpm.Read("opened");
        // The TPM's own word for a credential of another key or another TPM, and no trouble of the test's making.
        Assert.Contains("integrity check failed", error, StringComparison.Ordinal);
        return null;
    }
}
