namespace Portal.Core.Tpm;

/// <summary>
/// What an event says it measured. The type is a claim: PCRs hold digests only. A value without a name here is legal.
/// Source: TCG PC Client Platform Firmware Profile, "Event Types"; 0x400 and above: Intel TXT Software Development Guide, appendix "TPM Event Log".
/// </summary>
public enum EventType : uint
{
    /// <summary>EV_PREBOOT_CERT, reserved.</summary>
    PrebootCert = 0x0,

    /// <summary>EV_POST_CODE: firmware code.</summary>
    PostCode = 0x1,

    /// <summary>EV_UNUSED.</summary>
    Unused = 0x2,

    /// <summary>EV_NO_ACTION: a note in the log, never extended, proves nothing.</summary>
    NoAction = 0x3,

    /// <summary>EV_SEPARATOR: end of the firmware's own measurements in a PCR.</summary>
    Separator = 0x4,

    /// <summary>EV_ACTION: a fixed text.</summary>
    Action = 0x5,

    /// <summary>EV_EVENT_TAG: a tagged event of the operating system's loader.</summary>
    EventTag = 0x6,

    /// <summary>EV_S_CRTM_CONTENTS: the first code to run.</summary>
    CrtmContents = 0x7,

    /// <summary>EV_S_CRTM_VERSION: its version.</summary>
    CrtmVersion = 0x8,

    /// <summary>EV_CPU_MICROCODE.</summary>
    CpuMicrocode = 0x9,

    /// <summary>EV_PLATFORM_CONFIG_FLAGS.</summary>
    PlatformConfigFlags = 0xA,

    /// <summary>EV_TABLE_OF_DEVICES.</summary>
    TableOfDevices = 0xB,

    /// <summary>EV_COMPACT_HASH.</summary>
    CompactHash = 0xC,

    /// <summary>EV_IPL: boot loader code, commands or files.</summary>
    Ipl = 0xD,

    /// <summary>EV_IPL_PARTITION_DATA.</summary>
    IplPartitionData = 0xE,

    /// <summary>EV_NONHOST_CODE.</summary>
    NonHostCode = 0xF,

    /// <summary>EV_NONHOST_CONFIG.</summary>
    NonHostConfig = 0x10,

    /// <summary>EV_NONHOST_INFO.</summary>
    NonHostInfo = 0x11,

    /// <summary>EV_OMIT_BOOT_DEVICE_EVENTS.</summary>
    OmitBootDeviceEvents = 0x12,

    /// <summary>EV_POST_CODE2.</summary>
    PostCode2 = 0x13,

    /// <summary>TXT: which PCRs an event belongs to.</summary>
    TxtPcrMapping = 0x401,

    /// <summary>TXT: the launch of the authenticated code module.</summary>
    TxtHashStart = 0x402,

    /// <summary>TXT: several digests as one.</summary>
    TxtCombinedHash = 0x403,

    /// <summary>TXT: the measured launched environment, such as tboot.</summary>
    TxtMleHash = 0x404,

    /// <summary>TXT: registration data of the BIOS module.</summary>
    TxtBiosAcRegData = 0x40A,

    /// <summary>TXT: status of the static root of trust.</summary>
    TxtCpuScrtmStat = 0x40B,

    /// <summary>TXT: control field of the launch policy.</summary>
    TxtLcpControlHash = 0x40C,

    /// <summary>TXT: elements of the launch policy that matched.</summary>
    TxtElementsHash = 0x40D,

    /// <summary>TXT: the SMI transfer monitor.</summary>
    TxtStmHash = 0x40E,

    /// <summary>TXT: capabilities from the operating system to SINIT.</summary>
    TxtOsSinitDataCapHash = 0x40F,

    /// <summary>TXT: key that signed SINIT.</summary>
    TxtSinitPubKeyHash = 0x410,

    /// <summary>TXT: the launch policy.</summary>
    TxtLcpHash = 0x411,

    /// <summary>TXT: details of the launch policy.</summary>
    TxtLcpDetailsHash = 0x412,

    /// <summary>TXT: authorities of the launch policy.</summary>
    TxtLcpAuthoritiesHash = 0x413,

    /// <summary>TXT: NV index contents.</summary>
    TxtNvInfoHash = 0x414,

    /// <summary>EV_EFI_VARIABLE_DRIVER_CONFIG: a variable that configures firmware, Secure Boot's among them.</summary>
    EfiVariableDriverConfig = 0x80000001,

    /// <summary>EV_EFI_VARIABLE_BOOT: a boot variable.</summary>
    EfiVariableBoot = 0x80000002,

    /// <summary>EV_EFI_BOOT_SERVICES_APPLICATION: a boot loader or kernel image.</summary>
    EfiBootServicesApplication = 0x80000003,

    /// <summary>EV_EFI_BOOT_SERVICES_DRIVER: a driver image.</summary>
    EfiBootServicesDriver = 0x80000004,

    /// <summary>EV_EFI_RUNTIME_SERVICES_DRIVER: a driver image that stays.</summary>
    EfiRuntimeServicesDriver = 0x80000005,

    /// <summary>EV_EFI_GPT_EVENT: the partition table.</summary>
    EfiGptEvent = 0x80000006,

    /// <summary>EV_EFI_ACTION: a fixed text.</summary>
    EfiAction = 0x80000007,

    /// <summary>EV_EFI_PLATFORM_FIRMWARE_BLOB: a piece of firmware.</summary>
    EfiPlatformFirmwareBlob = 0x80000008,

    /// <summary>EV_EFI_HANDOFF_TABLES: tables such as SMBIOS.</summary>
    EfiHandoffTables = 0x80000009,

    /// <summary>EV_EFI_PLATFORM_FIRMWARE_BLOB2: a piece of firmware with a name.</summary>
    EfiPlatformFirmwareBlob2 = 0x8000000A,

    /// <summary>EV_EFI_HANDOFF_TABLES2: tables with a name.</summary>
    EfiHandoffTables2 = 0x8000000B,

    /// <summary>EV_EFI_VARIABLE_BOOT2: a boot variable, measured whole.</summary>
    EfiVariableBoot2 = 0x8000000C,

    /// <summary>EV_EFI_GPT_EVENT2: the partition table without machine-specific parts.</summary>
    EfiGptEvent2 = 0x8000000D,

    /// <summary>EV_EFI_HCRTM_EVENT: a hardware root of trust ran.</summary>
    EfiHcrtmEvent = 0x80000010,

    /// <summary>EV_EFI_VARIABLE_AUTHORITY: the certificate or hash that let an image run.</summary>
    EfiVariableAuthority = 0x800000E0,

    /// <summary>EV_EFI_SPDM_FIRMWARE_BLOB: a device's firmware.</summary>
    EfiSpdmFirmwareBlob = 0x800000E1,

    /// <summary>EV_EFI_SPDM_FIRMWARE_CONFIG: a device's configuration.</summary>
    EfiSpdmFirmwareConfig = 0x800000E2,

    /// <summary>EV_EFI_SPDM_DEVICE_POLICY: which devices firmware accepts.</summary>
    EfiSpdmDevicePolicy = 0x800000E3,

    /// <summary>EV_EFI_SPDM_DEVICE_AUTHORITY: who vouches for a device.</summary>
    EfiSpdmDeviceAuthority = 0x800000E4,
}

/// <summary>Names of event types.</summary>
public static class EventTypeNames
{
    /// <summary>The specification's name, such as <c>EV_SEPARATOR</c>; hexadecimal for a type unknown here.</summary>
    /// <param name="type">Any type.</param>
    public static string SpecificationName(this EventType type) => type switch
    {
        EventType.PrebootCert => "EV_PREBOOT_CERT",
        EventType.PostCode => "EV_POST_CODE",
        EventType.Unused => "EV_UNUSED",
        EventType.NoAction => "EV_NO_ACTION",
        EventType.Separator => "EV_SEPARATOR",
        EventType.Action => "EV_ACTION",
        EventType.EventTag => "EV_EVENT_TAG",
        EventType.CrtmContents => "EV_S_CRTM_CONTENTS",
        EventType.CrtmVersion => "EV_S_CRTM_VERSION",
        EventType.CpuMicrocode => "EV_CPU_MICROCODE",
        EventType.PlatformConfigFlags => "EV_PLATFORM_CONFIG_FLAGS",
        EventType.TableOfDevices => "EV_TABLE_OF_DEVICES",
        EventType.CompactHash => "EV_COMPACT_HASH",
        EventType.Ipl => "EV_IPL",
        EventType.IplPartitionData => "EV_IPL_PARTITION_DATA",
        EventType.NonHostCode => "EV_NONHOST_CODE",
        EventType.NonHostConfig => "EV_NONHOST_CONFIG",
        EventType.NonHostInfo => "EV_NONHOST_INFO",
        EventType.OmitBootDeviceEvents => "EV_OMIT_BOOT_DEVICE_EVENTS",
        EventType.PostCode2 => "EV_POST_CODE2",
        EventType.TxtPcrMapping => "EVTYPE_PCR_MAPPING",
        EventType.TxtHashStart => "EVTYPE_HASH_START",
        EventType.TxtCombinedHash => "EVTYPE_COMBINED_HASH",
        EventType.TxtMleHash => "EVTYPE_MLE_HASH",
        EventType.TxtBiosAcRegData => "EVTYPE_BIOSAC_REG_DATA",
        EventType.TxtCpuScrtmStat => "EVTYPE_CPU_SCRTM_STAT",
        EventType.TxtLcpControlHash => "EVTYPE_LCP_CONTROL_HASH",
        EventType.TxtElementsHash => "EVTYPE_ELEMENTS_HASH",
        EventType.TxtStmHash => "EVTYPE_STM_HASH",
        EventType.TxtOsSinitDataCapHash => "EVTYPE_OSSINITDATA_CAP_HASH",
        EventType.TxtSinitPubKeyHash => "EVTYPE_SINIT_PUBKEY_HASH",
        EventType.TxtLcpHash => "EVTYPE_LCP_HASH",
        EventType.TxtLcpDetailsHash => "EVTYPE_LCP_DETAILS_HASH",
        EventType.TxtLcpAuthoritiesHash => "EVTYPE_LCP_AUTHORITIES_HASH",
        EventType.TxtNvInfoHash => "EVTYPE_NV_INFO_HASH",
        EventType.EfiVariableDriverConfig => "EV_EFI_VARIABLE_DRIVER_CONFIG",
        EventType.EfiVariableBoot => "EV_EFI_VARIABLE_BOOT",
        EventType.EfiBootServicesApplication => "EV_EFI_BOOT_SERVICES_APPLICATION",
        EventType.EfiBootServicesDriver => "EV_EFI_BOOT_SERVICES_DRIVER",
        EventType.EfiRuntimeServicesDriver => "EV_EFI_RUNTIME_SERVICES_DRIVER",
        EventType.EfiGptEvent => "EV_EFI_GPT_EVENT",
        EventType.EfiAction => "EV_EFI_ACTION",
        EventType.EfiPlatformFirmwareBlob => "EV_EFI_PLATFORM_FIRMWARE_BLOB",
        EventType.EfiHandoffTables => "EV_EFI_HANDOFF_TABLES",
        EventType.EfiPlatformFirmwareBlob2 => "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
        EventType.EfiHandoffTables2 => "EV_EFI_HANDOFF_TABLES2",
        EventType.EfiVariableBoot2 => "EV_EFI_VARIABLE_BOOT2",
        EventType.EfiGptEvent2 => "EV_EFI_GPT_EVENT2",
        EventType.EfiHcrtmEvent => "EV_EFI_HCRTM_EVENT",
        EventType.EfiVariableAuthority => "EV_EFI_VARIABLE_AUTHORITY",
        EventType.EfiSpdmFirmwareBlob => "EV_EFI_SPDM_FIRMWARE_BLOB",
        EventType.EfiSpdmFirmwareConfig => "EV_EFI_SPDM_FIRMWARE_CONFIG",
        EventType.EfiSpdmDevicePolicy => "EV_EFI_SPDM_DEVICE_POLICY",
        EventType.EfiSpdmDeviceAuthority => "EV_EFI_SPDM_DEVICE_AUTHORITY",
        _ => $"0x{(uint)type:x8}",
    };
}
