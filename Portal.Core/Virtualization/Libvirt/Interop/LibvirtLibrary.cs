using System.Runtime.InteropServices;

namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>
/// The library of this process. Its event loop is registered before the first connection and runs on a thread of its own, once per process, until the
/// process ends: libvirt knows no second one.
/// </summary>
internal static unsafe class LibvirtLibrary
{
    public const string Missing = "The portal's machine has no libvirt.so.0; install the Debian package libvirt0 (Fedora: libvirt-libs).";

    private const int WakeMilliseconds = 250;

    private static readonly Lazy<LibvirtFault?> Loaded = new(Load);

    /// <summary>Makes it ready.</summary>
    /// <exception cref="LibvirtFault">It is not on this machine.</exception>
    public static void Ensure()
    {
        if (Loaded.Value is { } fault)
        {
            throw new LibvirtFault(fault.Code, fault.Domain, fault.Message);
        }
    }

    private static LibvirtFault? Load()
    {
        try
        {
            if (LibvirtNative.virInitialize() < 0 || LibvirtNative.virEventRegisterDefaultImpl() < 0)
            {
                return LibvirtFault.Last();
            }

            // What goes wrong is told by the calls; stderr is the operator's.
            LibvirtNative.virSetErrorFunc(0, &Silence);
            _ = LibvirtNative.virEventAddTimeout(WakeMilliseconds, &Wake, 0, 0);
            new Thread(Run) { IsBackground = true, Name = "libvirt events" }.Start();
            return null;
        }
        catch (Exception fault) when (fault is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return new LibvirtFault(LibvirtCode.NoLibrary, 0, Missing);
        }
    }

    private static void Run()
    {
        while (true)
        {
            if (LibvirtNative.virEventRunDefaultImpl() < 0)
            {
                // Never seen; without a pause it would spin.
                Thread.Sleep(WakeMilliseconds);
            }
        }
    }

    [UnmanagedCallersOnly]
    private static void Silence(nint userData, nint error)
    {
    }

    [UnmanagedCallersOnly]
    private static void Wake(int timer, nint opaque)
    {
    }
}
