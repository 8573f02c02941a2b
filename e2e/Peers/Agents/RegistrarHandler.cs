using System.Net;
using System.Net.Http.Json;
using Portal.Core.Attestation.BuiltIn.Registration;

namespace Portal.E2E.Peers.Agents;

/// <summary>Carries an agent's messages to a registrar in this process; how it listens is tested with the published portal.</summary>
/// <param name="registrar">The registrar.</param>
internal sealed class RegistrarHandler(Registrar registrar) : HttpMessageHandler
{
    private const string Sender = "127.0.0.1";

    public static HttpClient ClientOf(Registrar registrar) => new(new RegistrarHandler(registrar)) { BaseAddress = new Uri("http://registrar.invalid") };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var (path, body) = (request.RequestUri!.Segments, await request.Content!.ReadAsByteArrayAsync(cancellationToken));
        var id = path[3].TrimEnd('/');
        if (request.Method == HttpMethod.Post)
        {
            var message = AgentRegistration.Parse(id, body);
            if (!message.Succeeded)
            {
                return new HttpResponseMessage(HttpStatusCode.BadRequest) { ReasonPhrase = message.Refusal.Code };
            }

            var challenge = registrar.Register(message.Value, Sender);
            return new HttpResponseMessage(HttpStatusCode.OK) { Content = JsonContent.Create(new { results = new { blob = challenge.Value.Blob } }) };
        }

        var activated = await registrar.ActivateAsync(id, AgentActivation.Parse(body).Value, Sender, cancellationToken);
        return new HttpResponseMessage(activated.Succeeded ? HttpStatusCode.OK : HttpStatusCode.Forbidden);
    }
}
