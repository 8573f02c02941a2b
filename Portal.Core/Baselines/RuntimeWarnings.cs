using Portal.Core.Tpm;

namespace Portal.Core.Baselines;

/// <summary>Looks for what makes a runtime baseline trust what nobody looked at.</summary>
internal static class RuntimeWarnings
{
    // One of each kind of thing that runs: were a pattern to leave any of them out, code could run unseen.
    private static readonly string[] Code =
    [
        "/usr/bin/bash", "/usr/sbin/virtqemud", "/usr/libexec/qemu-kvm", "/usr/bin/qemu-system-x86_64", "/usr/lib/systemd/systemd", "/usr/lib64/libc.so.6",
        "/lib/modules/5.14.0/kernel/arch/x86/kvm/kvm.ko", "/usr/lib/modules/5.14.0/kernel/arch/x86/kvm/kvm.ko.xz", "/opt/agent/bin/agent", "/root/tool",
    ];

    public static IEnumerable<BaselineWarning> Of(RuntimeReference runtime)
    {
        if (runtime.ToleratesViolations)
        {
            yield return new(
                BaselineWarningCode.HidesFiles, ImaList.Pcr,
                "Files that are written while they are used are passed over. Nobody vouches for their names, so a host could run anything behind such an entry.");
        }

        foreach (var exclude in runtime.Excludes)
        {
            var alone = ImaReference.Create(new Dictionary<string, IReadOnlyCollection<string>>(), [], [exclude]);
            if (alone.Succeeded && Array.Find(Code, path => alone.Value.Excludes(path)) is { } path)
            {
                yield return new(BaselineWarningCode.HidesFiles, ImaList.Pcr, $"The exclude {exclude} leaves out places where programs lie, such as {path}: anything may run from there.");
            }
            else if (alone.Succeeded && (alone.Value.Excludes("/tmp/tool") || alone.Value.Excludes("/dev/shm/tool") || alone.Value.Excludes("/var/tmp/tool")))
            {
                yield return new(BaselineWarningCode.HidesFiles, ImaList.Pcr, $"The exclude {exclude} leaves out a place where everybody may write: whoever gets in may run from there unseen.");
            }
        }
    }
}
