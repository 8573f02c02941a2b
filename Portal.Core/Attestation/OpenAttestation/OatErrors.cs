using System.Globalization;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>What a fault of an OpenAttestation server means.</summary>
internal enum OatMeaning
{
    /// <summary>Nothing more than it says itself.</summary>
    Unnamed,

    /// <summary>The host is not registered there.</summary>
    HostMissing,

    /// <summary>A host of that name or address is registered already.</summary>
    HostTaken,

    /// <summary>The white list a host shall have does not exist.</summary>
    HostWithoutList,

    /// <summary>The white list holds nothing.</summary>
    ListEmpty,

    /// <summary>The quote failed its check.</summary>
    QuoteRefused,

    /// <summary>The host's agent does not answer, or not as it should.</summary>
    AgentSilent,

    /// <summary>The host has no measured launch, or its TPM failed.</summary>
    TpmFailed,

    /// <summary>The host's name and address do not belong together.</summary>
    AddressMismatch,

    /// <summary>There is no such white list, maker or system.</summary>
    ListMissing,

    /// <summary>It exists already.</summary>
    Exists,

    /// <summary>It is in use.</summary>
    InUse,

    /// <summary>A value is too long, missing, or holds a character that is not taken.</summary>
    Invalid,

    /// <summary>TLS between the server and an agent failed.</summary>
    AgentTls,
}

/// <summary>
/// Error codes of both dialects. The second says names or numbers of its ErrorCode enumeration; the first has a handful of numbers whose text
/// tells them apart. The same number means different things in each.
/// </summary>
internal static class OatErrors
{
    private static readonly Dictionary<string, OatMeaning> Second = new(StringComparer.Ordinal)
    {
        ["1003"] = OatMeaning.HostMissing,
        ["AS_HOST_NOT_FOUND"] = OatMeaning.HostMissing,
        ["1004"] = OatMeaning.HostWithoutList,
        ["AS_BIOS_INCORRECT"] = OatMeaning.HostWithoutList,
        ["AS_VMM_INCORRECT"] = OatMeaning.HostWithoutList,
        ["1005"] = OatMeaning.HostTaken,
        ["AS_HOST_EXISTS"] = OatMeaning.HostTaken,
        ["1006"] = OatMeaning.HostTaken,
        ["AS_IPADDRESS_EXISTS"] = OatMeaning.HostTaken,
        ["1007"] = OatMeaning.ListEmpty,
        ["AS_MISSING_MANIFEST"] = OatMeaning.ListEmpty,
        ["1010"] = OatMeaning.QuoteRefused,
        ["AS_QUOTE_VERIFY_COMMAND_FAILED"] = OatMeaning.QuoteRefused,
        ["1011"] = OatMeaning.AgentSilent,
        ["AS_HOST_COMMUNICATION_ERROR"] = OatMeaning.AgentSilent,
        ["1012"] = OatMeaning.AgentSilent,
        ["AS_TRUST_AGENT_ERROR"] = OatMeaning.AgentSilent,
        ["1015"] = OatMeaning.TpmFailed,
        ["AS_PCR_NOT_FOUND"] = OatMeaning.TpmFailed,
        ["1024"] = OatMeaning.AgentSilent,
        ["AS_TRUST_AGENT_CONNNECT_TIMED_OUT"] = OatMeaning.AgentSilent,
        ["1026"] = OatMeaning.TpmFailed,
        ["AS_INTEL_TXT_NOT_ENABLED"] = OatMeaning.TpmFailed,
        ["1028"] = OatMeaning.AddressMismatch,
        ["AS_HOST_IPADDRESS_NOT_MATCHED"] = OatMeaning.AddressMismatch,
        ["2001"] = OatMeaning.Exists,
        ["2002"] = OatMeaning.ListMissing,
        ["2003"] = OatMeaning.InUse,
        ["2004"] = OatMeaning.Exists,
        ["2005"] = OatMeaning.ListMissing,
        ["2006"] = OatMeaning.InUse,
        ["2007"] = OatMeaning.Exists,
        ["2009"] = OatMeaning.ListMissing,
        ["2010"] = OatMeaning.InUse,
        ["2012"] = OatMeaning.Invalid,
        ["WS_OEM_OS_DATA_CANNOT_COEXIST"] = OatMeaning.Invalid,
        ["2013"] = OatMeaning.Exists,
        ["2014"] = OatMeaning.ListMissing,
        ["2023"] = OatMeaning.Invalid,
        ["WS_MLE_PCR_NOT_VALID"] = OatMeaning.Invalid,
        ["4001"] = OatMeaning.AgentTls,
        ["TLS_COMMUNICATION_ERROR"] = OatMeaning.AgentTls,
    };

    /// <summary>What a fault means.</summary>
    public static OatMeaning Of(OatDialect dialect, OatFault fault) => dialect switch
    {
        OatDialect.First => OfFirst(fault),
        OatDialect.Second => Second.TryGetValue(fault.Code, out var known) ? known : BySuffix(fault.Code),
    };

    /// <summary>A fault as an exception with a sentence and what to do.</summary>
    public static ServerException Explain(OatDialect dialect, OatFault fault, string server)
    {
        var (sentence, remedy) = Words(Of(dialect, fault), server);
        return new ServerException(ServerFault.Failed, $"{sentence}{Said(fault)}", remedy);
    }

    /// <summary>What a server says of a fault in its own words, made harmless.</summary>
    public static string Said(OatFault fault)
    {
        var (code, message) = (OatJson.Shown(fault.Code), OatJson.Shown(fault.Message));
        var named = code.Length > 0 ? code : string.Create(CultureInfo.InvariantCulture, $"HTTP {fault.Status}");
        return message.Length == 0 ? $" ({named})" : $" ({named}: {message})";
    }

    /// <summary>Sentence and remedy.</summary>
    public static (string Sentence, string Remedy) Words(OatMeaning meaning, string server) => meaning switch
    {
        OatMeaning.Unnamed => ($"{server} failed.", "Look at its log; test the connection on the service's page."),
        OatMeaning.HostMissing => ($"{server} knows no host of this name.", "Register the host there, or give the portal the name it is registered by."),
        OatMeaning.HostTaken => ($"A host of this name or address is registered on {server} already.", "Look at its list of hosts."),
        OatMeaning.HostWithoutList => ($"{server} does not have the white list this host shall have.", "Publish the cluster's baselines to the server again."),
        OatMeaning.ListEmpty => ($"The host's white list on {server} holds nothing, so it cannot be verified.", "Publish the cluster's baselines to the server, or complete the white list there."),
        OatMeaning.QuoteRefused => ($"{server} could not verify the host's quote.", "Enrol the host's agent there again; if that does not help, treat the host as untrusted."),
        OatMeaning.AgentSilent => ($"The host's agent does not answer {server}.", "Check that the host is up, its OpenAttestation agent runs, and the server reaches it."),
        OatMeaning.TpmFailed => ($"The host gave {server} no measurement: its TPM or measured launch is off or failed.", "Turn on TPM and Intel TXT in the host's firmware, and look at its agent's log."),
        OatMeaning.AddressMismatch => ($"On {server} the host's name leads to another address than the one it is registered with.", "Correct the name server that machine asks, or the host's address there."),
        OatMeaning.ListMissing => ($"{server} has no such white list, OEM or OS.", "Look whether somebody removed it there; publishing makes it again."),
        OatMeaning.Exists => ($"{server} has a white list, OEM or OS of this name already.", "Remove or rename the other one there: its releases 1.x allow a name and version only once."),
        OatMeaning.InUse => ($"Something on {server} still uses it, so it cannot be removed.", "Give the hosts that use it another white list first."),
        OatMeaning.Invalid => ($"{server} does not take one of the values.", "Use names without # & + : \" ' of at most 50 characters."),
        OatMeaning.AgentTls => ($"TLS between {server} and the host's agent failed.", "Look whether the agent's certificate is the one the server saw when the host was registered."),
    };

    private static OatMeaning OfFirst(OatFault fault)
    {
        bool Says(string words) => fault.Message.Contains(words, StringComparison.OrdinalIgnoreCase);

        if (Says("has a reference with HOST") || fault.Code == "2012")
        {
            return OatMeaning.InUse;
        }

        return fault.Code switch
        {
            "1006" => Says("not exist") || Says("does not") || Says("not found") ? OatMeaning.ListMissing : Says("exist") ? OatMeaning.Exists : OatMeaning.Invalid,
            "1007" => OatMeaning.ListMissing,
            "2000" => OatMeaning.HostMissing,
            "2001" => Says("already exists") ? OatMeaning.HostTaken : Says("not chosen") ? OatMeaning.HostWithoutList : OatMeaning.Invalid,
            "404" or "ItemNotFound" => OatMeaning.HostMissing,
            "412" or "500" or "BadRequest" => OatMeaning.Invalid,
            _ => OatMeaning.Unnamed,
        };
    }

    private static OatMeaning BySuffix(string code)
    {
        if (!code.StartsWith("WS_", StringComparison.Ordinal))
        {
            return OatMeaning.Unnamed;
        }

        return code.EndsWith("_ALREADY_EXISTS", StringComparison.Ordinal) ? OatMeaning.Exists
            : code.EndsWith("_ASSOCIATION_EXISTS", StringComparison.Ordinal) ? OatMeaning.InUse
            : code.Contains("_DOES_NOT_EXIST", StringComparison.Ordinal) || code.EndsWith("_NOT_FOUND", StringComparison.Ordinal) ? OatMeaning.ListMissing
            : OatMeaning.Unnamed;
    }
}
