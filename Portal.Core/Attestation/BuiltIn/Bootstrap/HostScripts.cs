using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Audit;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>Makes the script for hosts of this portal.</summary>
/// <param name="face">Where hosts find the registrar.</param>
/// <param name="authority">What agents have to let in.</param>
/// <param name="access">Who may.</param>
public sealed class HostScripts(RegistrarFace face, AgentAuthority authority, AccessControl access)
{
    /// <summary>The script. Needs <see cref="Permission.Read"/>: nothing in it is secret. Refusals as <see cref="HostScript.Make"/>.</summary>
    public async Task<Outcome<HostScript>> MakeAsync(Caller caller, HostScriptChoice choice, CancellationToken ct) =>
        await access.DemandAsync(caller, Permission.Read, new AuditTarget("portal", null, HostScript.FileName), ct) is { } denied ? denied : Make(choice);

    internal Outcome<HostScript> Make(HostScriptChoice choice) => face.Fault is { } fault ? fault : HostScript.Make(face, authority.Published(), choice);
}
