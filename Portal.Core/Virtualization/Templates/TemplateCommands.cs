using FluentValidation;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization;

/// <summary>What a template says; see <see cref="Template"/>.</summary>
/// <param name="Name">Unique: 1 to 64 letters, digits, spaces, <c>.</c>, <c>_</c> or <c>-</c>.</param>
/// <param name="Description">What it is.</param>
/// <param name="Cpus">Virtual CPUs.</param>
/// <param name="Memory">Bytes.</param>
/// <param name="Disk">Bytes.</param>
/// <param name="Pool">The storage pool disks are made in; empty for machines without a disk.</param>
/// <param name="Image">The volume of that pool disks are clones of; empty for empty disks.</param>
/// <param name="MachineType">Machine type; empty is the hypervisor's default.</param>
/// <param name="Firmware">What boots the guest.</param>
/// <param name="HasTpm">Whether guests have a TPM 2.0 of their own.</param>
/// <param name="Network">Network; empty for none.</param>
public sealed record TemplateWords(
    string Name,
    string Description,
    int Cpus,
    long Memory,
    long Disk,
    string Pool,
    string Image,
    string MachineType,
    GuestFirmware Firmware,
    bool HasTpm,
    string Network)
{
    /// <summary>What a template says now.</summary>
    public static TemplateWords Of(Template template) => new(
        template.Name,
        template.Description,
        template.Cpus,
        template.Memory,
        template.Disk,
        template.Pool,
        template.Image,
        template.MachineType,
        template.Firmware,
        template.HasTpm,
        template.Network);

    internal void WriteTo(Template template)
    {
        (template.Name, template.Description) = (Name, Description);
        (template.Cpus, template.Memory, template.Disk) = (Cpus, Memory, Disk);
        (template.Pool, template.Image, template.Network) = (Pool, Image, Network);
        (template.MachineType, template.Firmware, template.HasTpm) = (MachineType, Firmware, HasTpm);
    }
}

/// <summary>A template was made or changed.</summary>
/// <param name="Id">The template.</param>
/// <param name="Warnings">What to know of its storage, in sentences; empty when there is nothing to say.</param>
public sealed record TemplateSaved(Guid Id, IReadOnlyList<string> Warnings);

internal sealed class TemplateRules : AbstractValidator<TemplateWords>
{
    public TemplateRules()
    {
        RuleLevelCascadeMode = CascadeMode.Stop;
        RuleFor(t => t.Name)
            .NotEmpty().WithMessage("A template needs a name.")
            .MaximumLength(VirtualMachineLimits.LongestName).WithMessage($"A name has at most {VirtualMachineLimits.LongestName} characters.")
            .Matches("^[A-Za-z0-9][A-Za-z0-9 ._-]*$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)
            .WithMessage("A template's name has letters, digits, spaces, '.', '_' and '-', and begins with a letter or digit.")
            .OverridePropertyName("name");
        RuleFor(t => t.Description).MaximumLength(VirtualMachineLimits.LongestDescription).OverridePropertyName("description");
        RuleFor(t => t.Cpus).IsCpuCount().OverridePropertyName("cpu.topology");
        RuleFor(t => t.Memory).IsMemory().OverridePropertyName("memory");
        RuleFor(t => t.Disk).IsDisk().OverridePropertyName("disk");
        RuleFor(t => t.Pool).IsPool().OverridePropertyName("storage.pool");
        RuleFor(t => t.Image).IsImage().OverridePropertyName("storage.image");
        RuleFor(t => t.MachineType).IsMachineType().OverridePropertyName("custom_emulated_machine");
        RuleFor(t => t.Firmware).IsInEnum().OverridePropertyName("bios.type");
        RuleFor(t => t.Network).IsNetwork().OverridePropertyName("network");
    }

    public static async Task<Refusal?> WhyNotAsync(ClusterStep step, TemplateWords words, Guid id, StorageOffers offers)
    {
        var refusal = new TemplateRules().Check(words, "template.invalid")
            ?? VirtualMachineLimits.WhyNotTogether(words.Pool, words.Image, words.MachineType, words.Firmware)
            ?? offers.WhyNowhere(words.Pool, words.Image);
        return refusal is null && await step.Db.Templates.AnyAsync(t => t.Name == words.Name && t.Id != id, step.Ct)
            ? new Refusal("template.name.taken", RefusalKind.Conflict, $"There is a template '{words.Name}' already.", "Choose another name.", "name")
            : refusal;
    }

    public static AuditTarget Target(Guid? id, string name) => new("template", id, name.Length <= VirtualMachineLimits.LongestName ? name : name[..VirtualMachineLimits.LongestName]);
}

/// <summary>Makes a template.</summary>
/// <param name="desk">Permission, one transaction with the audit row, and another look after a lost race.</param>
public sealed class CreateTemplate(ClusterDesk desk)
{
    /// <summary>
    /// Makes it. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>template.invalid</c>, <c>template.name.taken</c>, and <c>template.pool.unknown</c> or
    /// <c>template.image.unknown</c> when hosts described their storage and none has it; that some lack it is a warning.
    /// </summary>
    public Task<Outcome<TemplateSaved>> ExecuteAsync(Caller caller, TemplateWords words, CancellationToken ct)
    {
        var trimmed = words with { Name = words.Name.Trim(), Description = words.Description.Trim() };
        return desk.RunAsync(caller, Permission.ManageHosts, TemplateRules.Target(null, trimmed.Name), step => AttemptAsync(step, trimmed), ct);
    }

    private static async Task<Outcome<TemplateSaved>> AttemptAsync(ClusterStep step, TemplateWords words)
    {
        var template = new Template { Name = words.Name };
        var offers = await StorageDirectory.OffersAsync(step.Db, step.Ct);
        if (await TemplateRules.WhyNotAsync(step, words, template.Id, offers) is { } refusal)
        {
            return refusal;
        }

        words.WriteTo(template);
        step.Db.Templates.Add(template);
        step.About(TemplateRules.Target(template.Id, template.Name));
        step.Audit("template.created", $"{step.Person.Name} made the template {template.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Template, template.Id));
        return new TemplateSaved(template.Id, offers.WarningsOf(words.Pool, words.Image));
    }
}

/// <summary>Changes a template. VMs that came from it stay as they are.</summary>
/// <param name="desk">What commands of the inventory share.</param>
public sealed class EditTemplate(ClusterDesk desk)
{
    /// <summary>Changes it to say this. Needs <see cref="Permission.ManageHosts"/>. Refusals: those of <see cref="CreateTemplate"/>, and <c>template.blank</c> for another name of Blank.</summary>
    public Task<Outcome<TemplateSaved>> ExecuteAsync(Caller caller, Guid id, TemplateWords words, CancellationToken ct)
    {
        var trimmed = words with { Name = words.Name.Trim(), Description = words.Description.Trim() };
        return desk.RunAsync(caller, Permission.ManageHosts, TemplateRules.Target(id, id.ToString()), step => AttemptAsync(step, id, trimmed), ct);
    }

    private static async Task<Outcome<TemplateSaved>> AttemptAsync(ClusterStep step, Guid id, TemplateWords words)
    {
        if (await step.Db.Templates.SingleOrDefaultAsync(t => t.Id == id, step.Ct) is not { } template)
        {
            return Refusal.NotFound("template", id.ToString());
        }

        var before = TemplateWords.Of(template);
        step.About(TemplateRules.Target(id, before.Name));
        if (id == Template.Blank && words.Name != before.Name)
        {
            return Refusal.Invalid("template.blank", "name", "The template Blank keeps its name: every client knows it by that.", "Make a template of another name.");
        }

        var offers = await StorageDirectory.OffersAsync(step.Db, step.Ct);
        var refusal = await TemplateRules.WhyNotAsync(step, words, id, offers);
        if (refusal is not null && !(refusal.Code is "template.pool.unknown" or "template.image.unknown" && (words.Pool, words.Image) == (before.Pool, before.Image)))
        {
            // Storage that was taken away meanwhile is no reason why a description could not be mended.
            return refusal;
        }

        if (words != before)
        {
            words.WriteTo(template);
            step.Audit("template.edited", $"{step.Person.Name} changed the template {before.Name}{(words.Name == before.Name ? "" : $"; it is now called {words.Name}")}.");
            step.Changes.Add(Change.Of(ChangeTopic.Template, id));
        }

        return new TemplateSaved(id, refusal is null ? offers.WarningsOf(words.Pool, words.Image) : [refusal.Sentence]);
    }
}

/// <summary>Deletes a template no VM came from. Its image stays where it is.</summary>
/// <param name="desk">What commands of the inventory share.</param>
public sealed class DeleteTemplate(ClusterDesk desk)
{
    /// <summary>Deletes it. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>template.in_use</c>, <c>template.blank</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid id, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, TemplateRules.Target(id, id.ToString()), step => AttemptAsync(step, id), ct);

    /// <summary>Why it cannot be deleted, for pages that say so beforehand; null when it can.</summary>
    public static Refusal? WhyNot(Template template, int vms)
    {
        if (template.Id == Template.Blank)
        {
            return Refusal.Conflict("template.blank", "The template Blank stays: every client knows it.", "Delete another one.");
        }

        return vms == 0
            ? null
            : Refusal.Conflict("template.in_use", $"{(vms == 1 ? "1 virtual machine" : $"{vms} virtual machines")} came from the template {template.Name}.", "Delete them first: their disks may need its image.");
    }

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid id)
    {
        if (await step.Db.Templates.SingleOrDefaultAsync(t => t.Id == id, step.Ct) is not { } template)
        {
            return Refusal.NotFound("template", id.ToString());
        }

        step.About(TemplateRules.Target(id, template.Name));
        if (WhyNot(template, await step.Db.VirtualMachines.CountAsync(v => v.TemplateId == id, step.Ct)) is { } refusal)
        {
            return refusal;
        }

        // A VM that came from it meanwhile holds a reference: the database refuses and we look again.
        step.Db.Templates.Remove(template);
        step.Audit("template.deleted", $"{step.Person.Name} deleted the template {template.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Template, id));
        return Done.Value;
    }
}
