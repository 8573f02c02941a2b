using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Answers of the port, in few words.</summary>
internal static class Answers
{
    public static HypervisorAnswer Done(string sentence) => new(HypervisorResult.Done, sentence);

    public static HypervisorAnswer AlreadySo(string sentence) => new(HypervisorResult.AlreadySo, sentence);

    public static HypervisorAnswer NotFound(string host) => new(HypervisorResult.NotFound, $"{host} has no such VM.");

    public static HypervisorAnswer NameTaken(string sentence) => new(HypervisorResult.NameTaken, sentence);

    public static HypervisorAnswer NoCapacity(string sentence) => new(HypervisorResult.NoCapacity, sentence);

    public static HypervisorAnswer Unsuited(string sentence) => new(HypervisorResult.Unsuited, sentence);

    public static HypervisorAnswer Failed(string sentence) => new(HypervisorResult.Failed, sentence);

    /// <summary>What a failed call comes to.</summary>
    public static HypervisorAnswer Of(LibvirtFault fault, string host) => fault switch
    {
        { IsSilence: true } => new HypervisorAnswer(HypervisorResult.Unreachable, $"The hypervisor of {host} does not answer: {fault.Message.TrimEnd('.')}."),
        { Code: LibvirtCode.NoDomain } => NotFound(host),
        { IsLackOfCapacity: true } => NoCapacity($"{host} lacks memory or disk: {fault.Message}."),
        { Code: LibvirtCode.NoPool or LibvirtCode.NoVolume or LibvirtCode.NoNetwork or LibvirtCode.Unsupported or LibvirtCode.OperationUnsupported or LibvirtCode.NotSupported or LibvirtCode.CpuIncompatible or LibvirtCode.UnsafeMigration } =>
            Unsuited($"{host} cannot do that: {fault.Message}."),
        _ => Failed($"{host} said: {fault.Message}."),
    };
}
