using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Makes a cluster, or changes its name, description and allowed trust levels.</summary>
public sealed partial class ClusterDialog(CreateCluster create, EditCluster edit)
{
    private static readonly (TrustLevels Level, string Words)[] Levels = [(TrustLevels.Any, "Any host"), (TrustLevels.Trusted, "A trusted host")];

    private string name = "";
    private string description = "";
    private TrustLevels allowed = TrustLevels.Any | TrustLevels.Trusted;
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The cluster to change; null makes one.</summary>
    [Parameter]
    public Cluster? Existing { get; set; }

    private string Title => Existing is null ? "New cluster" : $"Edit {Existing.Name}";

    /// <summary>Opens it; the cluster's name when it was made or changed, otherwise null.</summary>
    internal static async Task<string?> ShowAsync(IDialogService dialogs, Cluster? existing)
    {
        var reference = await dialogs.ShowAsync<ClusterDialog>(
            existing is null ? "New cluster" : $"Edit {existing.Name}",
            new DialogParameters<ClusterDialog> { { d => d.Existing, existing } },
            new DialogOptions { MaxWidth = MaxWidth.ExtraSmall, FullWidth = true, CloseOnEscapeKey = true, BackdropClick = false });
        return (await reference.Result) is { Canceled: false, Data: string saved } ? saved : null;
    }

    protected override void OnInitialized()
    {
        if (Existing is not null)
        {
            (name, description, allowed) = (Existing.Name, Existing.Description, Existing.AllowedLevels);
        }
    }

    private string? ErrorOf(string field) => refusal?.Field == field ? refusal.ToString() : null;

    private async Task SaveAsync()
    {
        (busy, refusal) = (true, null);
        refusal = Existing is null
            ? (await create.ExecuteAsync(Caller, new(name, description, allowed, TrustPolicy.Default), CancellationToken.None)).Refusal
            : (await edit.ExecuteAsync(Caller, new(Existing.Id, name, description, allowed), CancellationToken.None)).Refusal;
        busy = false;
        if (refusal is null)
        {
            Dialog.Close(DialogResult.Ok(name.Trim()));
        }
    }
}
