using System.Security.Cryptography;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>Closed list of things that are allowed in a baseline but rarely meant.</summary>
public enum BaselineWarningCode
{
    /// <summary>A whole value of zeros: nothing was ever extended there.</summary>
    NeverExtended,

    /// <summary>A whole value of ones: the dynamic launch that resets the PCR never happened.</summary>
    NeverLaunched,

    /// <summary>Only the separator was measured, which every machine measures alike.</summary>
    SeparatorOnly,

    /// <summary>Every event may be absent, so a host that measures nothing there matches.</summary>
    NothingRequired,

    /// <summary>The host's software can reset the PCR at will.</summary>
    Resettable,

    /// <summary>The boot event log does not explain what IMA extends.</summary>
    RuntimeMeasurements,

    /// <summary>The PCR belongs to another kind of baseline.</summary>
    UnusualForKind,

    /// <summary>The PCR one would expect of this kind is not covered.</summary>
    ExpectedPcrAbsent,

    /// <summary>Files may be used there that nobody looks at.</summary>
    HidesFiles,
}

/// <summary>Something a reviewer should see before approving.</summary>
/// <param name="Code">What it is.</param>
/// <param name="Pcr">The PCR, if one is concerned.</param>
/// <param name="Sentence">What and why, for a person.</param>
public sealed record BaselineWarning(BaselineWarningCode Code, int? Pcr, string Sentence);

/// <summary>
/// Looks for values that carry no information about the host. Which PCR holds what: TCG PC Client Platform Firmware Profile, "PCR Usage";
/// start values and who may reset: TCG PC Client Platform TPM Profile, "PCR Attributes".
/// </summary>
public static class BaselineWarnings
{
    private const int ImaPcr = 10;
    private const int FirstDynamicPcr = 17;
    private const int LastDynamicPcr = 22;
    private const int LastFirmwarePcr = 7;
    private const int LastPcrOnlyFirmwareUses = 3;

    // EV_SEPARATOR's data: 0, its legacy form of all ones, and 1 after a firmware error.
    private static readonly byte[][] Separators = [[0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [1, 0, 0, 0]];

    // PCR 0 starts at the locality that started the TPM: 0, 3 or 4.
    private static readonly byte[] StartLocalities = [0, 3, 4];

    /// <summary>The warnings, by PCR; those about the whole come last.</summary>
    /// <param name="content">What the revision says.</param>
    /// <param name="kind">The baseline's kind, for hints about PCRs that belong elsewhere; none gives no such hints.</param>
    public static IReadOnlyList<BaselineWarning> Of(BaselineContent content, BaselineKinds kind = BaselineKinds.None)
    {
        var normal = content.Normalized();
        var plain = PlainValues.Of(normal.Bank);
        return [.. normal.Pcrs.SelectMany(pcr => OfPcr(pcr, plain, kind)), .. OfWhole(normal, kind), .. normal.Runtime is { } runtime ? RuntimeWarnings.Of(runtime) : []];
    }

    private static IEnumerable<BaselineWarning> OfPcr(PcrReference pcr, PlainValues plain, BaselineKinds kind)
    {
        foreach (var digest in pcr.Digests)
        {
            if (plain.OfWholePcr(pcr.Pcr, digest) is { } warning)
            {
                yield return warning;
            }
        }

        if (pcr.Events.Length > 0 && pcr.Events.All(e => e.Digests.All(plain.IsSeparator)))
        {
            yield return new(
                BaselineWarningCode.SeparatorOnly, pcr.Pcr, $"PCR {pcr.Pcr} has nothing but separators, which every machine measures alike: it tells no host from another.");
        }

        if (pcr.Events.Length > 0 && pcr.Events.All(e => e.Optional))
        {
            yield return new(
                BaselineWarningCode.NothingRequired, pcr.Pcr, $"Every event of PCR {pcr.Pcr} may be absent: a host that measures nothing there matches.");
        }

        if (pcr.Pcr is 16 or 23)
        {
            yield return new(BaselineWarningCode.Resettable, pcr.Pcr, $"Software on the host can reset PCR {pcr.Pcr} and extend it as it likes.");
        }

        if (pcr.Pcr == ImaPcr && pcr.Events.Length > 0)
        {
            yield return new(
                BaselineWarningCode.RuntimeMeasurements, pcr.Pcr, "IMA extends PCR 10 while the host runs, and the boot event log does not say with what: no host will match.");
        }

        if (Unusual(pcr.Pcr, kind) is { } words)
        {
            yield return new(BaselineWarningCode.UnusualForKind, pcr.Pcr, $"PCR {pcr.Pcr} {words}.");
        }
    }

    private static string? Unusual(int pcr, BaselineKinds kind) => kind switch
    {
        BaselineKinds.Firmware when pcr > LastFirmwarePcr => "is not extended by platform firmware; a hypervisor baseline usually covers it",
        BaselineKinds.Hypervisor when pcr <= LastPcrOnlyFirmwareUses => "is extended by platform firmware only; a firmware baseline usually covers it",
        _ => null,
    };

    private static IEnumerable<BaselineWarning> OfWhole(BaselineContent content, BaselineKinds kind)
    {
        if (content.Pcrs.IsEmpty)
        {
            yield break;
        }

        var (expected, what) = kind switch
        {
            BaselineKinds.Firmware => (0, "the firmware's own code"),
            BaselineKinds.Hypervisor => (4, "the boot loader"),
            _ => (-1, ""),
        };
        if (expected >= 0 && !content.Pcrs.Any(p => p.Pcr == expected))
        {
            yield return new(BaselineWarningCode.ExpectedPcrAbsent, expected, $"PCR {expected} is not covered, so {what} may be anything.");
        }
    }

    /// <summary>Values of a bank that say nothing about a host.</summary>
    private sealed record PlainValues(string Zeros, string Ones, HashSet<string> SeparatorDigests, HashSet<string> StartOnly, HashSet<string> SeparatorOnly)
    {
        public static PlainValues Of(ushort bank)
        {
            var size = PcrBanks.DigestSize(bank) ?? 32;
            var zeros = new byte[size];
            var digests = Separators.Select(s => Hash(bank, s)).ToArray();
            var starts = StartLocalities.Select(locality => Start(size, locality)).ToArray();
            return new(
                Convert.ToHexStringLower(zeros),
                new string('f', size * 2),
                [.. digests.Select(Convert.ToHexStringLower)],
                [.. starts.Select(Convert.ToHexStringLower)],
                [.. starts.SelectMany(start => digests.Select(digest => Convert.ToHexStringLower(Hash(bank, [.. start, .. digest]))))]);
        }

        public bool IsSeparator(string digest) => SeparatorDigests.Contains(digest);

        public BaselineWarning? OfWholePcr(int pcr, string digest)
        {
            var dynamic = pcr is >= FirstDynamicPcr and <= LastDynamicPcr;
            if (string.Equals(digest, Ones, StringComparison.Ordinal))
            {
                return new(BaselineWarningCode.NeverLaunched, pcr, dynamic
                    ? $"PCR {pcr} as all ones means no measured launch took place: every ordinary boot matches."
                    : $"PCR {pcr} as all ones is no value a boot leaves there.");
            }

            if (string.Equals(digest, Zeros, StringComparison.Ordinal) || (pcr == 0 && StartOnly.Contains(digest)))
            {
                return new(BaselineWarningCode.NeverExtended, pcr, $"This value of PCR {pcr} is its start value: nothing was measured there.");
            }

            return SeparatorOnly.Contains(digest)
                ? new(BaselineWarningCode.SeparatorOnly, pcr, $"This value of PCR {pcr} is a lone separator, which every machine measures alike: it tells no host from another.")
                : null;
        }

        private static byte[] Start(int size, byte locality)
        {
            var value = new byte[size];
            value[^1] = locality;
            return value;
        }

        private static byte[] Hash(ushort bank, byte[] bytes) => bank switch
        {
            PcrBanks.Sha384 => SHA384.HashData(bytes),
            PcrBanks.Sha512 => SHA512.HashData(bytes),
            _ => SHA256.HashData(bytes),
        };
    }
}
