namespace Portal.Core.Virtualization;

/// <summary>
/// How much of a host's memory the portal's VMs may have: what the machine has, less a reserve for itself, less what runs there and is not the
/// portal's. The reserve is 5 % of the machine, at least 1 GiB, but never more than a quarter of it, so that small hosts are of use too. CPUs
/// are not reserved: they are shared by <see cref="Inventory.Host.CpuOvercommit"/> anyway.
/// </summary>
public static class HostCapacity
{
    private const int ReservePercent = 5;
    private const int SmallHostShare = 4;
    private const long LeastReserve = 1L << 30;

    /// <summary>What the host keeps for itself, in bytes.</summary>
    /// <param name="physical">Memory the machine has, in bytes.</param>
    public static long Reserve(long physical) => Math.Min(Math.Max(LeastReserve, physical / 100 * ReservePercent), physical / SmallHostShare);

    /// <summary>What is left for the portal's VMs, in bytes; never negative.</summary>
    /// <param name="physical">Memory the machine has, in bytes.</param>
    /// <param name="foreign">Memory of the VMs that run there and are not the portal's, in bytes.</param>
    public static long ForMachines(long physical, long foreign) => Math.Max(0, physical - Reserve(physical) - foreign);
}
