using System.Globalization;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>A white list (an MLE) on a server: what it is called there.</summary>
/// <param name="IsFirmware">A BIOS MLE, of an OEM; else a VMM MLE, of an OS.</param>
/// <param name="Maker">The OEM's name, or the OS's.</param>
/// <param name="MakerVersion">The OS's version; empty for an OEM.</param>
/// <param name="Name">Its name.</param>
/// <param name="Version">Its version.</param>
internal sealed record OatMle(bool IsFirmware, string Maker, string MakerVersion, string Name, string Version)
{
    /// <summary>Longest name of an MLE, an OEM or an OS. Source: OpenAttestation 1.7, input checks.</summary>
    public const int LongestName = 50;

    /// <summary>The key of this white list.</summary>
    public string Key => $"mle/{ToText()}";

    /// <summary>In one line, unambiguous.</summary>
    public string ToText() => string.Join('/', ((string[])[IsFirmware ? "bios" : "vmm", Maker, MakerVersion, Name, Version]).Select(Uri.EscapeDataString));

    /// <summary>Reads what <see cref="ToText"/> wrote; null for anything else.</summary>
    public static OatMle? Parse(string text) => text.Split('/') is [("bios" or "vmm") and var type, var maker, var makerVersion, var name, var version]
        ? new OatMle(type == "bios", Uri.UnescapeDataString(maker), Uri.UnescapeDataString(makerVersion), Uri.UnescapeDataString(name), Uri.UnescapeDataString(version))
        : null;

    /// <summary>How a query names it.</summary>
    public IEnumerable<(string Name, string Value)> Query() =>
        [("mleName", Name), ("mleVersion", Version), .. IsFirmware ? [("oemName", Maker)] : (IEnumerable<(string, string)>)[("osName", Maker), ("osVersion", MakerVersion)]];

    /// <summary>How the body of a row of it names it.</summary>
    public Dictionary<string, string> Row(int pcr, string? digest)
    {
        var row = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["pcrName"] = pcr.ToString(CultureInfo.InvariantCulture),
            ["mleName"] = Name,
            ["mleVersion"] = Version,
        };
        if (digest is not null)
        {
            row["pcrDigest"] = digest.ToUpperInvariant();
        }

        if (IsFirmware)
        {
            row["oemName"] = Maker;
        }
        else
        {
            (row["osName"], row["osVersion"]) = (Maker, MakerVersion);
        }

        return row;
    }

    /// <summary>The body that makes it, without rows: those are written one by one and read back.</summary>
    public Dictionary<string, string> Body()
    {
        var body = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Name"] = Name,
            ["Version"] = Version,
            ["Attestation_Type"] = "PCR",
            ["MLE_Type"] = IsFirmware ? "BIOS" : "VMM",
            ["Description"] = "Published by the portal",
        };
        if (IsFirmware)
        {
            body["OemName"] = Maker;
        }
        else
        {
            (body["OsName"], body["OsVersion"]) = (Maker, MakerVersion);
        }

        return body;
    }
}

/// <summary>What a cluster's approved baselines are in OpenAttestation's terms: one BIOS MLE, one VMM MLE, and that each host has these. Pure.</summary>
internal static class OatWanted
{
    /// <summary>The OEM and OS that everything of ours belongs to.</summary>
    public const string Maker = "Portal";

    private const int ShortId = 8;

    /// <summary>The policies in the order in which they have to be written, or why these baselines cannot be said.</summary>
    public static Outcome<IReadOnlyList<ServerPolicy>> Of(ApprovedSet set, IReadOnlyList<BoundHost> hosts)
    {
        var (policies, lists) = (new List<ServerPolicy>(), new List<OatMle>());
        foreach (var kind in PolicyWords.KindsIn(set.RequiredKinds))
        {
            var revisions = set.Revisions.Where(r => r.Kind == kind).ToList();
            if (kind == BaselineKinds.Runtime && revisions.Count > 0)
            {
                return CannotSay(revisions[0], "OpenAttestation compares registers, not files");
            }

            if (revisions.Count > 1)
            {
                return CannotSay(revisions[^1], $"{string.Join(", ", revisions.SkipLast(1).Select(r => r.Title))} applies too, and OpenAttestation lets a host have one {PolicyWords.Kinds(kind)} white list only");
            }

            if (revisions is not [var revision])
            {
                return Refusal.Conflict("oat.policy.no_baseline", $"No {PolicyWords.Kinds(kind)} baseline is approved for this cluster.", "Approve one, or do not require that kind.");
            }

            var rows = Rows(revision);
            if (!rows.Succeeded)
            {
                return rows.Refusal;
            }

            var mle = MleOf(revision, set.ClusterId);
            lists.Add(mle);
            policies.Add(new ServerPolicy(mle.Key, $"white list of {revision.Title}", OatWhiteLists.Text(rows.Value)));
        }

        var binding = OatHosts.Text(lists);
        policies.AddRange(hosts.Select(h => new ServerPolicy(OatHosts.Key(h.Name), $"white lists that host {h.Name} has", binding, h.HostId)));
        return policies;
    }

    private static OatMle MleOf(ApprovedRevision revision, Guid clusterId)
    {
        var id = clusterId.ToString("N")[^ShortId..];
        var name = string.Concat(revision.Name.Select(c => c is '#' or '&' or '+' or ':' or '"' or '\'' or '/' || c is < ' ' or > '~' ? '-' : c));
        var version = string.Create(CultureInfo.InvariantCulture, $"rev-{revision.Number}-{id}");
        return new OatMle(
            revision.Kind == BaselineKinds.Firmware,
            Maker,
            revision.Kind == BaselineKinds.Firmware ? "" : id,
            name.Length <= OatMle.LongestName ? name : name[..OatMle.LongestName],
            version);
    }

    /// <summary>A white list has one whole value of each register.</summary>
    private static Outcome<SortedDictionary<int, string>> Rows(ApprovedRevision revision)
    {
        var rows = new SortedDictionary<int, string>();
        foreach (var pcr in revision.Content.Pcrs)
        {
            if (!pcr.IsByEvent)
            {
                if (pcr.Digests is not [var digest])
                {
                    return CannotSay(revision, $"PCR {pcr.Pcr} has {pcr.Digests.Length} approved values, and a white list has one");
                }

                rows[pcr.Pcr] = digest;
            }
            else if (pcr.Pcr == 0)
            {
                return CannotSay(revision, "the events of PCR 0 do not tell at which value the firmware starts it");
            }
            else if (pcr.Events.Any(e => e.Optional || e.Digests.Length != 1))
            {
                return CannotSay(revision, $"the events of PCR {pcr.Pcr} may be absent or have several digests, and a white list has one value");
            }
            else
            {
                rows[pcr.Pcr] = Replayed((TpmAlgorithm)revision.Content.Bank, pcr);
            }
        }

        return rows.Count == 0 ? CannotSay(revision, "it covers no PCR") : rows;
    }

    private static string Replayed(TpmAlgorithm bank, PcrReference pcr)
    {
        var value = new byte[bank.DigestSize()];
        foreach (var step in pcr.Events)
        {
            if (!TpmHash.TryExtend(bank, value, Convert.FromHexString(step.Digests[0])))
            {
                throw new InvalidOperationException("An approved digest does not fit its bank.");
            }
        }

        return Convert.ToHexStringLower(value);
    }

    private static Refusal CannotSay(ApprovedRevision revision, string why) => Refusal.Conflict(
        "oat.policy.cannot_say",
        $"{revision.Title} cannot be said in OpenAttestation's terms: {why}.",
        "Approve a revision with one whole value per PCR for the clusters that OpenAttestation serves, and retire the ones before it.");
}
