using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Components.VirtualMachines;

/// <summary>Makes a template, or changes one.</summary>
public sealed partial class TemplateDialog(CreateTemplate create, EditTemplate edit, StorageDirectory storage)
{
    private static readonly string[] Fields =
    [
        "name", "description", "storage.pool", "storage.image", "cpu.topology", "memory", "disk", "network", "custom_emulated_machine", "bios.type",
    ];

    private TemplateWords words = TemplateWords.Of(new Template { Name = "" });
    private StorageOffers? offers;
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The template to change; null makes one.</summary>
    [Parameter]
    public Template? Existing { get; set; }

    private string Title => TitleOf(Existing);

    private bool IsBlank => Existing?.Id == Template.Blank;

    /// <summary>Opens it; what was saved, or null when nothing was.</summary>
    internal static async Task<TemplateSaved?> ShowAsync(IDialogService dialogs, Template? existing)
    {
        var reference = await dialogs.ShowAsync<TemplateDialog>(
            TitleOf(existing),
            new DialogParameters<TemplateDialog> { { d => d.Existing, existing } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true, BackdropClick = false });
        return (await reference.Result) is { Canceled: false, Data: TemplateSaved saved } ? saved : null;
    }

    protected override async Task OnInitializedAsync()
    {
        if (Existing is not null)
        {
            words = TemplateWords.Of(Existing);
        }

        offers = await storage.OffersAsync(CancellationToken.None);
    }

    private static string TitleOf(Template? existing) => existing is null ? "New template" : $"Edit {existing.Name}";

    private static bool IsShownAtField(Refusal refused) => refused.Field is { } field && Fields.Contains(field);

    // At the field itself "correct the field" says nothing new.
    private string? ErrorOf(string field) => refusal?.Field == field ? refusal.Code == "template.invalid" ? refusal.Sentence : refusal.ToString() : null;

    private string? Invalid(string field) => ErrorOf(field) is null ? null : "true";

    private async Task SaveAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = Existing is null
            ? await create.ExecuteAsync(Caller, words, CancellationToken.None)
            : await edit.ExecuteAsync(Caller, Existing.Id, words, CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(outcome.Value));
        }
    }
}
