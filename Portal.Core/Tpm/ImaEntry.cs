namespace Portal.Core.Tpm;

/// <summary>How an entry of a measurement list is built. Source: Linux kernel documentation, "IMA Template Management Mechanism".</summary>
public enum ImaTemplate
{
    /// <summary>Another of the kernel's own: its digest is computed, what it says is not read here.</summary>
    Other,

    /// <summary><c>ima</c>, the oldest: a SHA-1 digest and a name of at most 255 bytes.</summary>
    Ima,

    /// <summary><c>ima-ng</c>: digest with its hash's name, and path.</summary>
    ImaNg,

    /// <summary><c>ima-sig</c>: as <see cref="ImaNg"/>, and the file's signature if it has one.</summary>
    ImaSig,

    /// <summary><c>ima-buf</c>: digest and name of something that is no file, such as a key or the kernel command line, and that thing itself.</summary>
    ImaBuf,
}

/// <summary>One measurement the running kernel made. Claims of the host until <see cref="ImaReplay"/> found them in a quoted PCR.</summary>
/// <param name="Template">How it is built.</param>
/// <param name="TemplateDigest">The SHA-1 digest the list gives it; all zeros for a violation.</param>
/// <param name="TemplateData">What was measured: all fields as the kernel lays them out.</param>
/// <param name="DigestAlgorithm">Hash of <paramref name="Digest"/>; <see cref="TpmAlgorithm.None"/> when it is not known here.</param>
/// <param name="Digest">Digest of the file's content.</param>
/// <param name="Path">The path as bytes, as the kernel has it: mostly UTF-8, never with a space.</param>
public readonly record struct ImaEntry(
    ImaTemplate Template, ReadOnlyMemory<byte> TemplateDigest, ReadOnlyMemory<byte> TemplateData, TpmAlgorithm DigestAlgorithm,
    ReadOnlyMemory<byte> Digest, ReadOnlyMemory<byte> Path)
{
    /// <summary>Name of the first entry of every boot, whose digest is that of the PCRs the firmware filled.</summary>
    internal static ReadOnlySpan<byte> BootAggregateName => "boot_aggregate"u8;

    /// <summary>
    /// Whether the kernel could not say what was used, because a file was written while it was read. It extends all ones for it, so path and
    /// digest of such an entry are vouched for by nobody. Source: Linux kernel, security/integrity/ima, "ToMToU" and "open_writers".
    /// </summary>
    public bool IsViolation => !TemplateDigest.Span.ContainsAnyExcept((byte)0);

    /// <summary>Whether it bears the name of the first entry of a boot.</summary>
    public bool IsBootAggregate => Path.Span.SequenceEqual(BootAggregateName);

    /// <summary>The path, safe to show and bounded.</summary>
    public string PathText => ClaimedText.Safe(System.Text.Encoding.UTF8.GetString(Path.Span[..Math.Min(Path.Length, 4 * ClaimedText.MaxLength)]));

    /// <summary>
    /// What the kernel extends into a bank for this entry: the hash of the template data, or all ones. Returns the length, 0 when the hash
    /// cannot be computed here.
    /// </summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="digest">At least the bank's digest size.</param>
    internal int Measure(TpmAlgorithm bank, Span<byte> digest)
    {
        if (IsViolation)
        {
            digest[..bank.DigestSize()].Fill(0xFF);
            return bank.DigestSize();
        }
        return Hash(bank, digest);
    }

    /// <summary>Whether the digest the list gives is that of the data.</summary>
    internal bool HasItsDigest()
    {
        Span<byte> digest = stackalloc byte[TpmHash.MaxDigestSize];
        return IsViolation || (Hash(TpmAlgorithm.Sha1, digest) is var size && digest[..size].SequenceEqual(TemplateDigest.Span));
    }

    /// <summary>Source: Linux kernel, "ima_calc_field_array_hash": the oldest template hashes its name filled up with zeros and no lengths.</summary>
    private int Hash(TpmAlgorithm bank, Span<byte> digest)
    {
        if (Template != ImaTemplate.Ima)
            return TpmHash.Compute(bank, TemplateData.Span, digest);
        Span<byte> padded = stackalloc byte[ImaFields.LegacyDigestSize + ImaFields.LegacyNameSize];
        padded.Clear();
        Digest.Span.CopyTo(padded);
        Path.Span.CopyTo(padded[ImaFields.LegacyDigestSize..]);
        return TpmHash.Compute(bank, padded, digest);
    }
}
