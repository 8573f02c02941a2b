using System.Globalization;
using System.Text.Json;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>What "test connection" asks of Keylime.</summary>
/// <param name="http">The way there.</param>
internal sealed class KeylimeQuestions(KeylimeHttp http) : IServerQuestions
{
    /// <inheritdoc/>
    public async Task<ServerAnswer> VersionAsync(CancellationToken ct)
    {
        var (minor, newest, reply) = await http.VersionAsync(KeylimePart.Verifier, ct);
        var sentence = $"The verifier is spoken to in 2.{Text(minor)}; the newest version it names is {newest}.";
        if (http.Has(KeylimePart.Registrar))
        {
            var (registrars, _, _) = await http.VersionAsync(KeylimePart.Registrar, ct);
            sentence += $" The registrar is spoken to in 2.{Text(registrars)}.";
        }

        return new ServerAnswer(ProbeResult.Good, sentence, http.Has(KeylimePart.Registrar) ? "" : "Enter the registrar's address too, to see which agents wait and to change policies of agents.", reply.Date);
    }

    /// <inheritdoc/>
    public async Task<ServerAnswer> AuthorisationAsync(CancellationToken ct)
    {
        var reply = await ListAsync(KeylimePart.Verifier, "agents/", ct);
        if (http.Has(KeylimePart.Registrar))
        {
            await ListAsync(KeylimePart.Registrar, "agents/", ct);
        }

        return new ServerAnswer(ProbeResult.Good, "It lets us in, with all rights: Keylime knows no lesser role.", "", reply.Date);
    }

    /// <inheritdoc/>
    public async Task<ServerAnswer> QueryAsync(CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, "agents/?bulk=true", null, ct);
        var answer = http.Read(reply, KeylimePart.Verifier, "all agents", body => StatusReader.Bulk(body));
        var enrolled = answer.Ids?.Count ?? answer.Agents.Count;
        var sentence = $"It verifies {Agents(enrolled)}{(answer.Ids is null ? "" : ", and has to be asked for them one by one: update Keylime")}.";
        if (http.Has(KeylimePart.Registrar))
        {
            var registered = await ListAsync(KeylimePart.Registrar, "agents/", ct);
            var known = answer.Ids ?? [.. answer.Agents.Keys];
            var waiting = StatusReader.Bulk(registered.Body).Ids?.Except(known, StringComparer.Ordinal).Count() ?? 0;
            sentence += waiting == 0 ? " Nobody waits at the registrar." : $" {Agents(waiting)} {(waiting == 1 ? "waits" : "wait")} at the registrar.";
        }

        // Neither setting can be read from outside, and with either the verifier says PASS of hosts it never compared with a refstate.
        var remedy = answer.Agents.Values.Any(a => a.HasRefState)
            ? "Look at the verifier's configuration yourself: with measured_boot_policy_name = accept-all it does not look at measured-boot policies, and with measured_boot_evaluate = once only at a host's first attestation. Neither can be seen from here."
            : "";
        return new ServerAnswer(ProbeResult.Good, sentence, remedy, reply.Date);
    }

    private async Task<ServerReply> ListAsync(KeylimePart part, string path, CancellationToken ct)
    {
        var reply = await http.SendAsync(part, HttpMethod.Get, path, null, ct);
        http.Read(reply, part, "all agents", body => StatusReader.Bulk(body).Ids ?? throw new JsonException("It has no ids."));
        return reply;
    }

    private static string Agents(int number) => number == 1 ? "1 agent" : $"{Text(number)} agents";

    private static string Text(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
