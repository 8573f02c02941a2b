using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Placement;

/// <summary>Reads decisions and receipts.</summary>
/// <param name="contexts">The database.</param>
public sealed class PlacementDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>The latest decision for a VM, or null.</summary>
    public async Task<PlacementDecision?> LatestDecisionAsync(Guid virtualMachineId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var json = await db.Decisions.Where(d => d.VirtualMachineId == virtualMachineId).OrderByDescending(d => d.At).Select(d => d.Decision).FirstOrDefaultAsync(ct);
        return json is null ? null : JsonSerializer.Deserialize<PlacementDecision>(json);
    }

    /// <summary>One decision, or null.</summary>
    public async Task<PlacementDecision?> DecisionAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var json = await db.Decisions.Where(d => d.Id == id).Select(d => d.Decision).SingleOrDefaultAsync(ct);
        return json is null ? null : JsonSerializer.Deserialize<PlacementDecision>(json);
    }

    /// <summary>The decision an operation made last, or null.</summary>
    public async Task<PlacementDecision?> DecisionOfOperationAsync(Guid operationId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var json = await db.Decisions.Where(d => d.OperationId == operationId).OrderByDescending(d => d.At).Select(d => d.Decision).FirstOrDefaultAsync(ct);
        return json is null ? null : JsonSerializer.Deserialize<PlacementDecision>(json);
    }

    /// <summary>Receipts of a VM, newest first.</summary>
    public async Task<IReadOnlyList<PlacementReceipt>> ReceiptsAsync(Guid virtualMachineId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Receipts.AsNoTracking().Where(r => r.VirtualMachineId == virtualMachineId).OrderByDescending(r => r.At).Take(50).ToListAsync(ct);
    }
}
