using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>A template with what a list shows.</summary>
/// <param name="Template">The template.</param>
/// <param name="Vms">How many VMs came from it and are still there.</param>
public sealed record TemplateRow(Template Template, int Vms);

/// <summary>Reads templates.</summary>
/// <param name="contexts">The database.</param>
public sealed class TemplateDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>All templates by name, Blank first.</summary>
    public async Task<IReadOnlyList<TemplateRow>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.Templates.AsNoTracking()
            .OrderBy(t => t.Name)
            .Select(t => new { Template = t, Vms = db.VirtualMachines.Count(v => v.TemplateId == t.Id) })
            .ToListAsync(ct);
        return [.. rows.OrderBy(r => r.Template.Id != Template.Blank).Select(r => new TemplateRow(r.Template, r.Vms))];
    }

    /// <summary>One template, or null.</summary>
    public async Task<Template?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Templates.AsNoTracking().SingleOrDefaultAsync(t => t.Id == id, ct);
    }
}
