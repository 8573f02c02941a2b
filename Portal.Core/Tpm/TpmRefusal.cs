namespace Portal.Core.Tpm;

/// <summary>Why TPM evidence was not accepted. The set is closed; the same code shows in the UI, the REST fault and the audit row.</summary>
public enum TpmRefusalCode
{
    /// <summary>No bytes or no value were given at all.</summary>
    NothingGiven,

    /// <summary>The structure ends before its last field.</summary>
    Truncated,

    /// <summary>Bytes follow the structure.</summary>
    TrailingBytes,

    /// <summary>A length or a count is beyond what any real TPM or firmware writes.</summary>
    TooLarge,

    /// <summary>A field has a value its specification does not allow.</summary>
    Malformed,

    /// <summary>An algorithm, curve or object type that is not computed here.</summary>
    UnsupportedAlgorithm,

    /// <summary>The attestation structure does not start with TPM_GENERATED, so no TPM vouches for it.</summary>
    BadMagic,

    /// <summary>A genuine attestation structure of another kind than a quote.</summary>
    NotAQuote,

    /// <summary>The key is not restricted: its owner could sign invented attestations with it.</summary>
    KeyNotRestricted,

    /// <summary>The key may not sign.</summary>
    KeyCannotSign,

    /// <summary>The key can be copied to another TPM.</summary>
    KeyNotFixedToTpm,

    /// <summary>The key can be moved under another parent.</summary>
    KeyNotFixedToParent,

    /// <summary>The private part was made outside the TPM.</summary>
    KeyMadeOutsideTpm,

    /// <summary>The key may also decrypt, which an attestation key must not.</summary>
    KeyCanDecrypt,

    /// <summary>The key cannot decrypt, which an endorsement key must.</summary>
    KeyCannotDecrypt,

    /// <summary>The key may also sign, which an endorsement key must not.</summary>
    KeyCanSign,

    /// <summary>The key leaves its signing scheme open to whoever uses it.</summary>
    KeySchemeOpen,

    /// <summary>The key is shorter than RSA 2048, or its curve is not P-256 or P-384.</summary>
    KeyTooWeak,

    /// <summary>The public numbers are no usable key, for example a point off the curve.</summary>
    KeyInvalid,

    /// <summary>SHA-1, or an unknown hash, where a trusted hash is needed.</summary>
    WeakHash,

    /// <summary>The quote answers another nonce: it may be an old one replayed.</summary>
    NonceMismatch,

    /// <summary>The signature's scheme or hash is not the key's.</summary>
    SchemeMismatch,

    /// <summary>The signature does not verify under the key.</summary>
    SignatureInvalid,

    /// <summary>The quote does not cover a PCR that was asked for.</summary>
    SelectionLacksPcr,

    /// <summary>No value was delivered for a PCR the quote covers.</summary>
    PcrValueMissing,

    /// <summary>A value was delivered for a PCR the quote does not cover.</summary>
    PcrValueExtra,

    /// <summary>The delivered values do not hash to the quoted digest.</summary>
    PcrDigestMismatch,

    /// <summary>The event log has no digests for the bank.</summary>
    BankAbsent,

    /// <summary>Some events of the log lack a digest for the bank.</summary>
    BankIncomplete,

    /// <summary>A PCR from 0 to 7 has no valid separator in the bank: firmware did not measure it, or not to the end.</summary>
    SeparatorMissing,

    /// <summary>A measurement is of a kind the kernel does not have, or whose text does not tell what was measured.</summary>
    TemplateUnknown,

    /// <summary>A measurement's digest is not that of its data.</summary>
    TemplateDigestMismatch,

    /// <summary>The measurement list starts behind the place where checking must go on.</summary>
    ListGap,

    /// <summary>The measurement list never reaches the quoted PCR 10.</summary>
    ListNotReplayed,

    /// <summary>The measurement list does not begin with the boot aggregate of the quoted PCRs.</summary>
    BootAggregateMismatch,
}

/// <summary>A refusal: a code for programs, a sentence for people.</summary>
/// <param name="Code">The closed reason.</param>
/// <param name="Message">One sentence with the particulars; holds numbers and names of ours, never text from the evidence.</param>
public sealed record TpmRefusal(TpmRefusalCode Code, string Message)
{
    /// <summary>What an administrator can do about it.</summary>
    public string Remedy => Code switch
    {
        TpmRefusalCode.NothingGiven or TpmRefusalCode.Truncated or TpmRefusalCode.TrailingBytes or TpmRefusalCode.TooLarge
            or TpmRefusalCode.Malformed or TpmRefusalCode.BadMagic or TpmRefusalCode.NotAQuote =>
            "Check the attestation agent on the host; if it is current, treat the answer as forged.",
        TpmRefusalCode.UnsupportedAlgorithm =>
            "Have the host use RSA or a NIST curve with a SHA-2 hash.",
        TpmRefusalCode.KeyNotRestricted or TpmRefusalCode.KeyCannotSign or TpmRefusalCode.KeyNotFixedToTpm
            or TpmRefusalCode.KeyNotFixedToParent or TpmRefusalCode.KeyMadeOutsideTpm or TpmRefusalCode.KeyCanDecrypt
            or TpmRefusalCode.KeySchemeOpen or TpmRefusalCode.KeyTooWeak or TpmRefusalCode.KeyInvalid =>
            "Create a proper attestation key on the host and enrol it again.",
        TpmRefusalCode.KeyCannotDecrypt or TpmRefusalCode.KeyCanSign =>
            "Have the agent register the TPM's endorsement key, made from one of the TCG's templates.",
        TpmRefusalCode.WeakHash or TpmRefusalCode.BankAbsent =>
            "Activate the SHA-256 PCR bank in the host's firmware and use keys that sign with SHA-256 or stronger.",
        TpmRefusalCode.NonceMismatch =>
            "Attest the host again; if it repeats, somebody is replaying old evidence.",
        TpmRefusalCode.SchemeMismatch or TpmRefusalCode.SignatureInvalid =>
            "Compare the key with the one enrolled for this host; enrol it again only if its TPM was replaced on purpose.",
        TpmRefusalCode.SelectionLacksPcr or TpmRefusalCode.PcrValueMissing or TpmRefusalCode.PcrValueExtra
            or TpmRefusalCode.PcrDigestMismatch =>
            "Attest the host again; values that still disagree were changed on their way or read while a PCR was extended.",
        TpmRefusalCode.BankIncomplete or TpmRefusalCode.SeparatorMissing =>
            "Use a bank the firmware measures from start to end, or update the firmware.",
        TpmRefusalCode.TemplateUnknown =>
            "Have the agent send the binary measurement list, or boot its kernel with ima_template=ima-ng.",
        TpmRefusalCode.ListGap =>
            "Ask the host for its measurement list from the first entry on.",
        TpmRefusalCode.TemplateDigestMismatch or TpmRefusalCode.ListNotReplayed or TpmRefusalCode.BootAggregateMismatch =>
            "Check that IMA measures into this bank on the host (kernel 5.8 or newer); if it does, treat the host as tampered with until its list is explained.",
    };

    internal static TpmRefusal NothingGiven { get; } = new(TpmRefusalCode.NothingGiven, "Nothing was given.");

    internal static TpmRefusal Truncated(string what) =>
        new(TpmRefusalCode.Truncated, $"The {what} ends too early.");

    internal static TpmRefusal Trailing(string what, int bytes) =>
        new(TpmRefusalCode.TrailingBytes, $"{bytes} bytes follow the {what}.");

    internal static TpmRefusal Malformed(string message) => new(TpmRefusalCode.Malformed, message);
}
