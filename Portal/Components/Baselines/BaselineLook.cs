using Portal.Components.Shared;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Components.Baselines;

/// <summary>How baselines are said and shown.</summary>
internal static class BaselineLook
{
    public static string Word(this BaselineKinds kind) => kind switch
    {
        BaselineKinds.Firmware => "Firmware",
        BaselineKinds.Hypervisor => "Hypervisor",
        BaselineKinds.Runtime => "Runtime",
        _ => "No kind",
    };

    /// <summary>What a kind covers, for whoever has to choose.</summary>
    public static string Explain(this BaselineKinds kind) => kind switch
    {
        BaselineKinds.Firmware => "Firmware code, option ROMs, Secure Boot policy",
        BaselineKinds.Hypervisor => "Boot loader, kernel, its command line, owner keys",
        BaselineKinds.Runtime => "Files used while the host runs, as the kernel's IMA measures them",
        _ => "",
    };

    public static string Word(this RevisionState state) => state switch
    {
        RevisionState.Draft => "Draft",
        RevisionState.InReview => "In review",
        RevisionState.Approved => "Approved",
        RevisionState.Rejected => "Sent back",
        RevisionState.Retired => "Retired",
    };

    public static Tone Tone(this RevisionState state) => state switch
    {
        RevisionState.Draft => Shared.Tone.Info,
        RevisionState.InReview => Shared.Tone.Old,
        RevisionState.Approved => Shared.Tone.Ok,
        RevisionState.Rejected => Shared.Tone.Bad,
        RevisionState.Retired => Shared.Tone.Neutral,
    };

    public static string Word(this DiffChange change) => change switch
    {
        DiffChange.Same => "Same",
        DiffChange.Added => "Added",
        DiffChange.Removed => "Removed",
        DiffChange.Changed => "Changed",
    };

    public static string Css(this DiffChange change) => change switch
    {
        DiffChange.Same => "diff-same",
        DiffChange.Added => "diff-added",
        DiffChange.Removed => "diff-removed",
        DiffChange.Changed => "diff-changed",
    };

    /// <summary>The mark beside a changed line; the word stands with it.</summary>
    public static string Mark(this DiffChange change) => change switch
    {
        DiffChange.Same => " ",
        DiffChange.Added => "+",
        DiffChange.Removed => "−",
        DiffChange.Changed => "~",
    };

    /// <summary>What an event of this type measures, in few words; the specification's name where there are none.</summary>
    public static string EventWords(uint type) => (EventType)type switch
    {
        EventType.PostCode or EventType.PostCode2 => "Firmware code",
        EventType.Separator => "Separator",
        EventType.Action or EventType.EfiAction => "Firmware action",
        EventType.EventTag => "Loader event",
        EventType.CrtmContents => "Root of trust",
        EventType.CrtmVersion => "Firmware version",
        EventType.CpuMicrocode => "CPU microcode",
        EventType.PlatformConfigFlags => "Platform setting",
        EventType.TableOfDevices => "Device table",
        EventType.Ipl => "Boot loader command or file",
        EventType.IplPartitionData => "Partition table",
        EventType.NonHostCode => "Embedded controller code",
        EventType.NonHostConfig => "Embedded controller setting",
        EventType.NonHostInfo => "Embedded controller",
        EventType.EfiVariableDriverConfig => "UEFI setting",
        EventType.EfiVariableBoot or EventType.EfiVariableBoot2 => "Boot entry",
        EventType.EfiBootServicesApplication => "Boot loader or kernel image",
        EventType.EfiBootServicesDriver => "Driver image",
        EventType.EfiRuntimeServicesDriver => "Runtime driver image",
        EventType.EfiGptEvent or EventType.EfiGptEvent2 => "Partition table",
        EventType.EfiPlatformFirmwareBlob or EventType.EfiPlatformFirmwareBlob2 => "Piece of firmware",
        EventType.EfiHandoffTables or EventType.EfiHandoffTables2 => "System tables",
        EventType.EfiHcrtmEvent => "Hardware root of trust",
        EventType.EfiVariableAuthority => "Secure Boot authority",
        var other => other.SpecificationName(),
    };

    public static string SpecificationName(uint type) => ((EventType)type).SpecificationName();

    /// <summary>"rev. 2", "rev. 2 and 3".</summary>
    public static string Revisions(IReadOnlyList<int> numbers) =>
        numbers.Count == 0 ? "none" : $"rev. {Together(numbers.Select(n => n.ToString(System.Globalization.CultureInfo.InvariantCulture)))}";

    /// <summary>"a, b and c".</summary>
    public static string Together(IEnumerable<string> names)
    {
        var all = names.ToList();
        return all.Count < 2 ? string.Concat(all) : $"{string.Join(", ", all.Take(all.Count - 1))} and {all[^1]}";
    }

    public static string Hosts(int count) => count == 1 ? "1 host" : $"{count:N0} hosts";

    /// <summary>Where the hosts are listed that match a baseline, or one of its revisions.</summary>
    public static string HostsHref(string baseline, int? number = null) => $"hosts?q={Uri.EscapeDataString(BaselineFacet.SearchFor(baseline, number))}";

    public static string Href(Guid baseline, int number, string? tab = null) => $"baselines/{baseline}/{number}{(tab is null ? "" : $"?tab={tab}")}";
}
