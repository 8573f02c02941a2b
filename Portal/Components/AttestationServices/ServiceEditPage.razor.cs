using Microsoft.AspNetCore.Components;
using Portal.Components.Enrolment;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>Adds a service, or changes one, saying all the while what takes a second person.</summary>
public sealed partial class ServiceEditPage(ServiceDirectory directory, AddServer add, EditServer edit, NavigationManager navigation, Announcer announcer)
{
    private static readonly (ServiceType Type, string Words)[] Types =
    [
        (ServiceType.Keylime, "a verifier and its registrar; asked over mutual TLS"),
        (ServiceType.OpenAttestation, "a server of 1.5 to 2.3; which dialect it speaks is found out"),
    ];

    private static readonly string[] Fields = ["name", "address", "registrarAddress", "authority", "clientCertificate", "pollSeconds", "timeoutSeconds"];
    private static readonly string Roles = string.Join(" or ", Permissions.Granting(Permission.ManageClusters).Select(r => r.ToString().ToLowerInvariant()));

    private ServiceDraft draft = new();
    private ServiceRow? row;
    private Refusal? refusal;
    private bool looked;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The service to change; null adds one.</summary>
    [Parameter]
    public Guid? Id { get; set; }

    private bool May => Caller.May(Permission.ManageClusters);

    private bool IsKeylime => draft.Type is ServiceType.Keylime;

    private bool Moves => row?.Server is { } server && draft.Words.Endpoint != server.Endpoint;

    private string Changed
    {
        get
        {
            var (now, then) = (row!.Server!.Endpoint, draft.Words.Endpoint);
            return EnrolmentLook.Names([.. new[]
            {
                now.Address == then.Address ? null : "the address",
                now.RegistrarAddress == then.RegistrarAddress ? null : "the registrar's address",
                now.Authority == then.Authority ? null : "the authority",
                now.ChecksName == then.ChecksName ? null : "the name check",
            }.OfType<string>()]);
        }
    }

    protected override async Task OnInitializedAsync()
    {
        await ReadAsync();
        if (row?.Server is { } server)
        {
            draft = ServiceDraft.Of(server);
        }
    }

    private async Task ReadAsync() => (row, looked) = (Id is { } id ? await directory.FindAsync(id, Stopping) : null, true);

    private string? ErrorOf(string field) => refusal?.Field == field ? refusal.ToString() : null;

    private string? Invalid(string field) => refusal?.Field == field ? "true" : null;

    private async Task SubmitAsync()
    {
        if (busy)
        {
            return;
        }

        (busy, refusal) = (true, null);
        var id = row is null ? await AddAsync() : await EditAsync(row.Server!);
        busy = false;
        if (id is { } done)
        {
            draft.PrivateKey = "";
            navigation.NavigateTo(ServiceLook.Href(done));
        }
    }

    private async Task<Guid?> AddAsync()
    {
        var outcome = await add.ExecuteAsync(Caller, new(draft.Words, draft.Client), CancellationToken.None);
        refusal = outcome.Refusal;
        if (!outcome.Succeeded)
        {
            return null;
        }

        announcer.Say($"{draft.Words.Name} is added.");
        return outcome.Value;
    }

    private async Task<Guid?> EditAsync(AttestationServer server)
    {
        var outcome = await edit.ExecuteAsync(Caller, new(server.Id, server.Version, draft.Words, draft.Client), CancellationToken.None);
        refusal = outcome.Refusal;
        if (!outcome.Succeeded)
        {
            // What changed meanwhile is shown; what was typed stays as typed.
            await ReadAsync();
            return null;
        }

        announcer.Say(outcome.Value.Effect is PolicyEffect.WaitsForSecondPerson ? "Proposed; it waits for a second person." : $"{draft.Words.Name} is changed.");
        return outcome.Value.ServerId;
    }
}
