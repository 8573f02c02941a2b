using System.Runtime.InteropServices;

namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>Codes of libvirt's errors the portal tells apart; the numbers are libvirt's (<c>virErrorNumber</c>).</summary>
internal enum LibvirtCode
{
    /// <summary>Of our own: the daemon did not answer in time, or there is no connection.</summary>
    NoAnswer = -2,

    /// <summary>Of our own: the library is not on this machine.</summary>
    NoLibrary = -1,

    Internal = 1,
    NoMemory = 2,
    NotSupported = 3,
    NoConnection = 5,
    InvalidConnection = 6,
    InvalidArgument = 8,
    OperationFailed = 9,
    DomainExists = 28,
    SystemError = 38,
    Rpc = 39,
    NoDomain = 42,
    NoNetwork = 43,
    NoPool = 49,
    NoVolume = 50,
    OperationInvalid = 55,
    Unsupported = 67,
    OperationTimeout = 68,
    OperationAborted = 78,
    NoDomainMetadata = 80,
    UnsafeMigration = 81,
    OperationUnsupported = 84,
    VolumeExists = 90,
    CpuIncompatible = 91,
}

/// <summary>What libvirt said when a call failed.</summary>
/// <param name="code">Which failure.</param>
/// <param name="domain">Which part of libvirt (<c>virErrorDomain</c>); 0 when it is ours.</param>
/// <param name="message">Its words.</param>
internal sealed class LibvirtFault(LibvirtCode code, int domain, string message) : Exception(message)
{
    private const int LongestMessage = 500;

    public LibvirtCode Code { get; } = code;

    public int Domain { get; } = domain;

    /// <summary>Whether the host could not be asked at all, or the answer was lost.</summary>
    public bool IsSilence => Code is LibvirtCode.NoAnswer or LibvirtCode.NoLibrary or LibvirtCode.Rpc or LibvirtCode.NoConnection or LibvirtCode.InvalidConnection
        || (Code == LibvirtCode.Internal && Message.Contains("client socket is closed", StringComparison.Ordinal));

    /// <summary>Whether memory or disk ran out there; libvirt has no code of its own for it.</summary>
    public bool IsLackOfCapacity => Code == LibvirtCode.NoMemory
        || Message.Contains("No space left on device", StringComparison.Ordinal)
        || Message.Contains("Cannot allocate memory", StringComparison.Ordinal);

    public static LibvirtFault Silent(string sentence) => new(LibvirtCode.NoAnswer, 0, sentence);

    /// <summary>What the last call of this thread failed with; must be asked at once, on the thread that called.</summary>
    public static unsafe LibvirtFault Last()
    {
        var error = LibvirtNative.virGetLastError();
        return error is null
            ? new LibvirtFault(LibvirtCode.Internal, 0, "libvirt failed and did not say why")
            : new LibvirtFault((LibvirtCode)error->Code, error->Domain, Words(Marshal.PtrToStringUTF8(error->Message) ?? ""));
    }

    /// <summary>One line, printable, not endless: it comes from a host.</summary>
    private static string Words(string message)
    {
        var line = string.Concat(message.ReplaceLineEndings("; ").Where(c => !char.IsControl(c)));
        return line.Length <= LongestMessage ? line : line[..LongestMessage] + "…";
    }
}
