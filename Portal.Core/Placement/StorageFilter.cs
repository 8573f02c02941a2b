using Portal.Core.Inventory;

namespace Portal.Core.Placement;

/// <summary>
/// Only hosts that have the disk's storage pool, its image in it, and room for it. A disk that exists needs room only where the pool is not shared, for there it is copied;
/// where the VM is already it needs nothing more. A pool's room is what the host said last: the hypervisor has the last word.
/// </summary>
internal sealed class StorageFilter : IHostFilter
{
    private const string NoPool = "storage.no_pool";
    private const string NoImage = "storage.no_image";
    private const string Short = "storage.short";

    public int Order => 45;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now)
    {
        if (request.Storage is not { } need || host.Pools is null || request.CurrentHostId == host.Id)
        {
            return null;
        }

        return Find(host, need.Pool) switch
        {
            null => NoPool,
            { IsShared: true } when request.CurrentHostId is not null => null,
            var pool when need.Image.Length > 0 && !pool.Images.Contains(need.Image) => NoImage,
            var pool when pool.Available < need.Disk => Short,
            _ => null,
        };
    }

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now)
    {
        var need = request.Storage!;
        return code switch
        {
            NoPool => $"It has no storage pool {need.Pool}.",
            NoImage => $"Its storage pool {need.Pool} has no image {need.Image}.",
            _ => $"Storage pool {need.Pool}: {ByteSize.Text(need.Disk)} asked, {ByteSize.Text(Find(host, need.Pool)?.Available ?? 0)} free.",
        };
    }

    public string? Words(string code) => code switch
    {
        NoPool => "without the storage pool",
        NoImage => "without the image",
        Short => "not enough storage",
        _ => null,
    };

    private static PoolCandidate? Find(HostCandidate host, string name)
    {
        foreach (var pool in host.Pools!)
        {
            if (string.Equals(pool.Name, name, StringComparison.Ordinal))
            {
                return pool;
            }
        }

        return null;
    }
}
