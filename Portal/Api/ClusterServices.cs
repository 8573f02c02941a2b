using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>The attestation services a cluster names, in its document and in a change of it.</summary>
internal static class ClusterServices
{
    public const string Name = "attestation_services";

    public static Element Document(ApiCall call, ServiceSet services) => Element.List(Name, ServiceDocument.Kind, services.Select(choice => Element
        .Of(ServiceDocument.Kind)
        .With(
        [
            KeyValuePair.Create("href", call.Href(AttestationServicesResource.Name, choice.ServiceId)),
            KeyValuePair.Create("id", choice.ServiceId.ToString()),
            KeyValuePair.Create("keeper", ServiceDocument.Word(choice.Keeper)),
        ])));

    /// <summary>The services a request names.</summary>
    public static Outcome<ServiceSet> Read(FieldReader body)
    {
        if (!body.Has(Name))
        {
            return Refusal.Invalid("cluster.services.required", Name, "The cluster's attestation services are what can be changed here, and the body names none.", "Give attestation_services with one attestation_service each, by id.");
        }

        var choices = new List<ServiceChoice>();
        foreach (var item in body.Items(Name, ServiceDocument.Kind))
        {
            if (!Guid.TryParse(item.Word("id"), out var id))
            {
                return item.Wrong ?? Refusal.Invalid("cluster.services.id", $"{Name}.id", "An attestation service is named by something that is no id.", "Give the id as the list of attestation services has it.");
            }

            if (Keeper(item.Word("keeper")) is not { } keeper)
            {
                return item.Wrong ?? Refusal.Invalid("cluster.services.keeper", $"{Name}.keeper", "Who keeps a service's policies is said by a word that is not known.", "Give portal or server.");
            }

            if (choices.Exists(c => c.ServiceId == id))
            {
                return Refusal.Invalid("cluster.services.twice", $"{Name}.id", $"The service {id} is named twice.", "Name each once.");
            }

            choices.Add(new ServiceChoice(id, keeper));
        }

        return body.Wrong is { } wrong ? wrong : new ServiceSet(choices);
    }

    private static PolicyKeeper? Keeper(string? word) => word switch
    {
        null or "portal" => PolicyKeeper.Portal,
        "server" => PolicyKeeper.Server,
        _ => null,
    };
}
