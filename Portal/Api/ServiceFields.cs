using Portal.Core;
using Portal.Core.Attestation.Outside;

namespace Portal.Api;

/// <summary>What a request says of an attestation service. What it leaves out stays as it is.</summary>
/// <param name="body">The document.</param>
internal sealed class ServiceFields(FieldReader body)
{
    private const int AnyPoll = 10;
    private const int AnyTimeout = 30;

    private static readonly (string Core, string Wire)[] Names =
    [
        ("registrarAddress", "registrar_address"), ("pollSeconds", "poll_interval"), ("timeoutSeconds", "timeout"), ("clientCertificate", "client_certificate"), ("checksName", "check_name"),
    ];

    /// <summary>The first thing wrong, if anything is.</summary>
    public Refusal? Wrong => body.Wrong;

    /// <summary>The name of a field on the wire.</summary>
    public static string? Element(string? field) => Array.Find(Names, n => n.Core == field).Wire ?? field;

    /// <summary>The wanted settings; of a server there is, or of a new one.</summary>
    public ServerWords Words(AttestationServer? server)
    {
        var type = Type(server);
        return new ServerWords(
            body.Word("name") ?? server?.Name ?? "",
            type,
            new ServerEndpoint(
                body.Word("address") ?? server?.Address ?? "",
                body.Word("registrar_address") ?? server?.RegistrarAddress ?? "",
                body.Word("authority") ?? server?.Authority ?? "",
                body.Flag("check_name") ?? server?.ChecksName ?? true),
            Seconds("poll_interval") ?? server?.PollSeconds ?? AnyPoll,
            Seconds("timeout") ?? server?.TimeoutSeconds ?? AnyTimeout);
    }

    /// <summary>Our certificate for it; null when the request gives none.</summary>
    public ClientIdentity? Client()
    {
        var (certificate, key) = (body.Word("client_certificate"), body.Word("private_key"));
        return certificate is null && key is null ? null : new ClientIdentity(certificate ?? "", key ?? "");
    }

    private ServiceType Type(AttestationServer? server)
    {
        if (body.Word("type") is not { } word)
        {
            if (server is null)
            {
                body.Refuse("service.type.required", "type", "The service has no type.", "Give keylime or openattestation.");
            }

            return server?.Type ?? ServiceType.BuiltIn;
        }

        foreach (var type in Enum.GetValues<ServiceType>().Where(t => ServiceTypes.Word(t) == word))
        {
            if (server is not null && server.Type != type)
            {
                body.Refuse("service.type.fixed", "type", $"{server.Name} is of type {ServiceTypes.Word(server.Type)}, and that cannot change.", "Add another service.");
            }

            return type;
        }

        body.Refuse("service.type", "type", $"'{FieldReader.Short(word)}' is no type of attestation service.", "Give keylime or openattestation.");
        return ServiceType.BuiltIn;
    }

    private int? Seconds(string path) => body.Number(path) is { } seconds ? (int)Math.Clamp(seconds, -1, int.MaxValue) : null;
}
