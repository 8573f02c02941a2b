using Portal.Core.Inventory;

namespace Portal.Core.Placement;

/// <summary>A chosen host, or for a migration any but the present one.</summary>
internal sealed class LocationFilter : IHostFilter
{
    private const string NotChosen = "host.not_chosen";
    private const string SameHost = "host.same";

    public int Order => 10;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) => request switch
    {
        { OnlyHostId: { } only } when only != host.Id => NotChosen,
        { Purpose: PlacementPurpose.Migrate, CurrentHostId: { } current } when current == host.Id => SameHost,
        _ => null,
    };

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        code == SameHost ? "The VM is there already." : "Another host was asked for.";

    public string? Words(string code) => code switch
    {
        NotChosen => "not the host asked for",
        SameHost => "the VM is there already",
        _ => null,
    };
}

/// <summary>Only hosts that are up. What is in the memory of a host in maintenance already may go on there: maintenance takes nothing new.</summary>
internal sealed class StateFilter : IHostFilter
{
    private const string Maintenance = "state.maintenance";
    private const string NonResponsive = "state.non_responsive";

    public int Order => 20;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) => host.State switch
    {
        HostState.Up => null,
        HostState.Maintenance or HostState.PreparingForMaintenance when request.Purpose.Stays() => null,
        HostState.Maintenance => Maintenance,
        HostState.NonResponsive => NonResponsive,
        HostState.PreparingForMaintenance => Maintenance,
    };

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        code == Maintenance ? "In maintenance, or on its way there." : "Its hypervisor does not answer.";

    public string? Words(string code) => code switch
    {
        Maintenance => "in maintenance",
        NonResponsive => "not responding",
        _ => null,
    };
}

/// <summary>Enough virtual CPUs left.</summary>
internal sealed class CpuFilter : IHostFilter
{
    private const string Short = "cpu.short";

    public int Order => 30;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        request.CurrentHostId == host.Id || host.CpusFree >= request.Cpus ? null : Short;

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        $"CPU: {request.Cpus} asked, {Math.Max(0, host.CpusFree)} free.";

    public string? Words(string code) => code == Short ? "not enough CPUs" : null;
}

/// <summary>Enough memory left.</summary>
internal sealed class MemoryFilter : IHostFilter
{
    private const string Short = "memory.short";

    public int Order => 40;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        request.CurrentHostId == host.Id || host.MemoryFree >= request.Memory ? null : Short;

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        $"Memory: {ByteSize.Text(request.Memory)} asked, {ByteSize.Text(host.MemoryFree)} free.";

    public string? Words(string code) => code == Short ? "not enough memory" : null;
}

/// <summary>A host in quarantine takes no VM that requires trust, whatever its verdict is by now.</summary>
internal sealed class QuarantineFilter : IHostFilter
{
    private const string Quarantined = "quarantine";

    public int Order => 48;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        request.TrustLevel == TrustLevel.Trusted && host.QuarantinedSince is not null ? Quarantined : null;

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) => Reason(host.QuarantinedSince).Sentence;

    public string? Words(string code) => code == Quarantined ? "in quarantine" : null;

    internal static HostReason Reason(DateTimeOffset? since) => new(
        Quarantined,
        FormattableString.Invariant($"In quarantine since {since:yyyy-MM-dd HH:mm} UTC: it takes no VM that requires trust until it is released."));
}

/// <summary>Spreads: the host with the larger free share of memory first, then of CPU.</summary>
internal sealed class SpreadWeigher : IHostWeigher
{
    public double Weigh(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        (double)host.MemoryFree / Math.Max(1, host.Memory)
        + (0.5 * host.CpusFree / Math.Max(1, host.Cpus * Host.CpuOvercommit));
}

/// <summary>Starting a VM where it is saves moving its disk.</summary>
internal sealed class StayWeigher : IHostWeigher
{
    private const double Importance = 10;

    public double Weigh(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        request.CurrentHostId == host.Id ? Importance : 0;
}
