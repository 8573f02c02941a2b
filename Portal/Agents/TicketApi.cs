using System.Text.Json;
using System.Text.Json.Serialization;
using Portal.Api;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Agents;

/// <summary>Takes the ticket of somebody who prepares a host: <c>POST /portal/tickets</c>, over TLS only, because a ticket is a secret until it is used.</summary>
internal static class TicketApi
{
    public static void Map(WebApplication app) => app.MapPost("/portal/tickets", TakeAsync);

    private static async Task<IResult> TakeAsync(HttpContext context, EnrolmentTickets tickets)
    {
        if (!context.Request.IsHttps)
        {
            return TypedResults.Text("Tickets are taken over TLS only.", statusCode: StatusCodes.Status403Forbidden);
        }

        Handed? handed;
        try
        {
            handed = await JsonSerializer.DeserializeAsync<Handed>(context.Request.Body, JsonSerializerOptions.Strict, context.RequestAborted);
        }
        catch (Exception fault) when (fault is JsonException or BadHttpRequestException)
        {
            handed = null;
        }

        if (handed is null)
        {
            return TypedResults.Text("A ticket is handed in as {\"ticket\":\"…\",\"endorsement_hash\":\"…\"}.", statusCode: StatusCodes.Status400BadRequest);
        }

        var taken = await tickets.TakeAsync(handed.Ticket, handed.EndorsementHash, RegistrarApi.SenderOf(context), context.RequestAborted);
        return taken.Succeeded ? TypedResults.Text("Taken.") : TypedResults.Text(taken.Refusal.ToString(), statusCode: Faults.StatusOf(taken.Refusal));
    }

    private sealed record Handed([property: JsonPropertyName("ticket")] string Ticket, [property: JsonPropertyName("endorsement_hash")] string EndorsementHash);
}
