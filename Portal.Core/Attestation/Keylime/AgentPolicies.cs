using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// What a verifier keeps for single agents. It cannot be changed: the agent is removed and enrolled anew with the rest as it was. Before anything is
/// removed it is made sure that all of it is known, because a verifier does not tell the names of the policies an agent uses.
/// </summary>
/// <param name="http">The way there.</param>
/// <param name="time">Our clock.</param>
internal sealed class AgentPolicies(KeylimeHttp http, TimeProvider time)
{
    private static readonly TimeSpan RemovedWithin = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan VerifiedWithin = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1);

    /// <summary>PCRs that a measured-boot policy takes over. Source: keylime/tpm/tpm_main.py, MEASUREDBOOT_PCRS.</summary>
    private static readonly int[] MeasuredBootPcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15];

    /// <summary>Agents that were removed and not enrolled anew yet, as they were: a change that broke off goes on from there.</summary>
    private readonly ConcurrentDictionary<string, AgentEnrolment> removed = new(StringComparer.Ordinal);

    /// <summary>The digests an agent's PCRs may have; null when it is not enrolled or its PCRs are not looked at.</summary>
    public async Task<string?> ReadDigestsAsync(string id, CancellationToken ct) => (await ReadAsync(id, ct))?.Digests;

    /// <summary>The runtime policy an agent uses, as far as the portal gave it; null otherwise.</summary>
    public async Task<string?> ReadRuntimeNameAsync(string id, CancellationToken ct) => await ReadAsync(id, ct) is { HasRuntimePolicy: true } kept ? kept.RuntimeName : null;

    /// <summary>Changes the digests; null looks at no PCR any more.</summary>
    public Task WriteDigestsAsync(string id, string? digests, CancellationToken ct) => ChangeAsync(id, kept => Task.FromResult(kept with { Digests = digests is null ? null : PolicyText.Tpm(digests) }), ct);

    /// <summary>Changes which runtime policy the agent uses; null uses none any more.</summary>
    public Task WriteRuntimeNameAsync(string id, string? name, CancellationToken ct) => ChangeAsync(
        id,
        async kept =>
        {
            if (name is not null)
            {
                // Enrolling with a policy that does not exist fails, and by then the agent would be gone.
                var policy = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, $"allowlists/{KeylimeHttp.Escape(name)}", null, ct);
                if (!policy.Succeeded)
                {
                    throw http.Failure(policy, KeylimePart.Verifier, $"the runtime policy {KeylimeWords.Safe(name)}");
                }
            }

            return kept with { RuntimeName = name, OwnRuntimePolicy = "", HasRuntimePolicy = name is not null };
        },
        ct);

    /// <summary>All that it takes to enrol the agent again just as it is, as text.</summary>
    public async Task<string> EnrolmentAsync(string id, CancellationToken ct) => JsonSerializer.Serialize(await WholeAsync(id, ct));

    /// <summary>Whether the agent is not enrolled; the next change of it then goes on from this.</summary>
    public async Task<bool> IsAwayAsync(string id, string enrolment, CancellationToken ct)
    {
        var isAway = await ReadAsync(id, ct) is null;
        if (isAway && JsonSerializer.Deserialize<AgentEnrolment>(enrolment) is { } earlier)
        {
            removed.TryAdd(id, earlier);
        }

        return isAway;
    }

    /// <summary>Removes an agent and waits until it is gone. One that is not there is gone.</summary>
    public async Task RemoveAsync(string id, CancellationToken ct)
    {
        var path = Path(id);
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Delete, path, null, ct);
        if (!reply.Succeeded && reply.Status != HttpStatusCode.NotFound)
        {
            throw http.Failure(reply, KeylimePart.Verifier, "the removal of an agent");
        }

        // Another of the verifier's processes may own it: it is there until its turn is over, and cannot be enrolled before.
        if (!await UntilAsync(async () => (await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, path, null, ct)).Status == HttpStatusCode.NotFound, RemovedWithin, ct))
        {
            throw new ServerException(ServerFault.Failed, $"{http.Name(KeylimePart.Verifier)} has not removed the agent {id} within {RemovedWithin.TotalSeconds:0} s.", "Try again; if it stays so, restart the verifier.");
        }
    }

    /// <summary>Enrols an agent that is not enrolled.</summary>
    public async Task EnrolAsync(AgentEnrolment wanted, CancellationToken ct)
    {
        var body = wanted.ToBody(await http.MinorAsync(KeylimePart.Verifier, ct));
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Post, Path(wanted.Id), body, ct);
        if (!reply.Succeeded)
        {
            throw http.Failure(reply, KeylimePart.Verifier, "the enrolment of an agent");
        }
    }

    /// <summary>Waits, not for ever, until the verifier has said for the first time whether an agent matches.</summary>
    /// <returns>Whether it has.</returns>
    public Task<bool> AwaitVerdictAsync(string id, CancellationToken ct) => UntilAsync(
        async () =>
        {
            var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, Path(id), null, ct);
            var status = http.Read(reply, KeylimePart.Verifier, "one agent", bytes => StatusReader.One(bytes, id));
            return status is { Count: > 0 } or { State: AgentState.Failed or AgentState.InvalidQuote or AgentState.Stopped } or { Word: "FAIL" };
        },
        VerifiedWithin,
        ct);

    private async Task ChangeAsync(string id, Func<AgentEnrolment, Task<AgentEnrolment>> change, CancellationToken ct)
    {
        var before = await WholeAsync(id, ct);
        var after = await change(before);
        if (after.HasRefState && PolicyText.PcrsOf(after.Digests).Intersect(MeasuredBootPcrs).Any())
        {
            throw new ServerException(
                ServerFault.Failed,
                $"The agent {id} has a measured-boot policy, which decides about PCR 0 to 9 and 11 to 15; digests of those PCRs cannot be given to it as well.",
                "Keep either the measured-boot policy or baselines of these PCRs for this host.");
        }

        removed[id] = before;
        await RemoveAsync(id, ct);
        try
        {
            await EnrolAsync(after, ct);
        }
        catch (ServerException)
        {
            await EnrolAsync(before, ct);
            removed.TryRemove(id, out _);
            throw;
        }

        removed.TryRemove(id, out _);
        await AwaitVerdictAsync(id, ct);
    }

    private async Task<AgentEnrolment?> ReadAsync(string id, CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, Path(id), null, ct);
        return reply.Status == HttpStatusCode.NotFound ? null : http.Read(reply, KeylimePart.Verifier, "one agent", body => AgentEnrolment.OfStatus(id, body));
    }

    /// <summary>All that it takes to enrol the agent again just as it is.</summary>
    private async Task<AgentEnrolment> WholeAsync(string id, CancellationToken ct)
    {
        if (await ReadAsync(id, ct) is not { } kept)
        {
            return removed.TryGetValue(id, out var earlier)
                ? earlier
                : throw new ServerException(ServerFault.NothingThere, $"{http.Name(KeylimePart.Verifier)} does not verify an agent {KeylimeWords.Safe(id)}, so it has no policy that could be changed.", "Enrol the agent first.");
        }

        if (await KeylimeRegistration.ReadAsync(http, id, ct) is not { } registration)
        {
            throw new ServerException(ServerFault.Failed, $"{http.Name(KeylimePart.Registrar)} does not know the agent {id}, so it could not be enrolled again.", "Restart the agent on its host, so that it registers again.");
        }

        kept = kept with
        {
            AttestationKey = registration.AttestationKey,
            ServerCertificate = registration.ServerCertificate,
            Ip = kept.Ip.Length > 0 ? kept.Ip : registration.Ip,
            Port = kept.Port ?? registration.Port,
        };
        if (kept is { HasRuntimePolicy: true, RuntimeName: null })
        {
            kept = kept with { OwnRuntimePolicy = await OwnAsync(id, "allowlists", "runtime_policy", "runtime policy", ct) };
        }

        return kept.HasRefState ? kept with { OwnRefState = await OwnAsync(id, "mbpolicies", "mb_policy", "measured-boot policy", ct) } : kept;
    }

    /// <summary>A policy that is the agent's alone lies under the agent's id; any other name a verifier does not tell.</summary>
    private async Task<string> OwnAsync(string id, string path, string member, string what, CancellationToken ct)
    {
        var reply = await http.SendAsync(KeylimePart.Verifier, HttpMethod.Get, $"{path}/{KeylimeHttp.Escape(id)}", null, ct);
        var text = reply.Status == HttpStatusCode.NotFound ? null : http.Read(reply, KeylimePart.Verifier, $"the {what} of an agent", body => KeylimePolicies.KeptText(body, member));
        return text is { Length: > 2 }
            ? text
            : throw new ServerException(
                ServerFault.Failed,
                $"The agent {id} uses a {what} whose name Keylime does not tell, so it would be lost if the agent were enrolled again.",
                "Remove the agent and enrol it through the portal once: from then on the portal knows what it gave it.");
    }

    private async Task<bool> UntilAsync(Func<Task<bool>> holds, TimeSpan within, CancellationToken ct)
    {
        var until = time.GetUtcNow() + within;
        while (!await holds())
        {
            if (time.GetUtcNow() >= until)
            {
                return false;
            }

            await Task.Delay(BetweenLooks, time, ct);
        }

        return true;
    }

    private static string Path(string id) => AgentRegistration.IsAgentId(id)
        ? $"agents/{KeylimeHttp.Escape(id)}"
        : throw new ServerException(ServerFault.Failed, $"'{KeylimeWords.Safe(id)}' cannot be the id of an agent.", "Correct the name this host has on this server.");
}
