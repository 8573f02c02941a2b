using MudBlazor;
using Portal.Components.Clusters;
using Portal.Components.Hosts;
using Portal.Components.LostTrust;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.LostTrust;
using Portal.Extensions;

namespace Portal;

/// <summary>What is done when hosts lose trust, on pages it does not own: marks and a banner on hosts, chips, actions, lines of the Overview.</summary>
public static class LostTrustFeature
{
    /// <summary>Adds the contributions; what is done is the core's.</summary>
    public static IServiceCollection AddLostTrustFeature(this IServiceCollection services)
    {
        services.Contribute(new HostFacetLook(ReactionFacet.FacetName, ToneOf) { Topics = [ChangeTopic.Host], NeedAttention = [ReactionFacet.Held] });
        services.Contribute(new HostColumn(ReactionFacet.FacetName, "Reaction", 450, ReactionCell.Cell) { Topics = [ChangeTopic.Host], Room = ColumnRoom.Wide, ShownByDefault = false });
        services.Contribute(new HostHeaderPart(200, typeof(ReactionTag)));
        services.Contribute(new HostHeaderPart(100, typeof(ReactionBanner)) { IsBelow = true });
        services.Contribute(new HostAction("quarantine", "Quarantine…", Icons.Material.Outlined.Shield, 220, Permission.ManageHosts, QuarantineAsync)
        {
            AppliesTo = static (_, host) => host.QuarantinedSince is null,
            Ask = AskQuarantineAsync,
        });
        services.Contribute(new HostAction("release", "Release from quarantine", Icons.Material.Outlined.GppGood, 230, Permission.ManageHosts, ReleaseAsync)
        {
            AppliesTo = static (_, host) => host.QuarantinedSince is not null,
        });
        return services.Contribute(new AttentionSource(50, [ChangeTopic.Host, ChangeTopic.Attestation], FindAsync));
    }

    private static Tone ToneOf(string value) => value switch
    {
        ReactionFacet.Held => Tone.Bad,
        ReactionFacet.Quarantined or "waiting" => Tone.Old,
        "acting" => Tone.Info,
        _ => Tone.Neutral,
    };

    private static Task<Confirmation> AskQuarantineAsync(IServiceProvider services, Host host, CancellationToken ct) => Task.FromResult(new Confirmation(
        $"Put {host.Name} in quarantine?",
        "It takes no virtual machine that requires trust until somebody releases it, or until it lost trust, was trusted again and its cluster's policy ends the quarantine. Those that run there stay.",
        "Quarantine"));

    private static async Task<Outcome<string>> QuarantineAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<QuarantineHost>().ExecuteAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} is in quarantine." : outcome.Refusal;
    }

    private static async Task<Outcome<string>> ReleaseAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<ReleaseHost>().ExecuteAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} takes virtual machines that require trust again." : outcome.Refusal;
    }

    /// <summary>What is held comes first: a person must say whether it goes on.</summary>
    private static async Task<IReadOnlyList<AttentionLine>> FindAsync(IServiceProvider services, Caller caller, CancellationToken ct)
    {
        var rows = await services.GetRequiredService<ReactionDirectory>().ListAsync(null, ct);
        var held = rows.Where(r => r.Reaction.State == ReactionState.Held).GroupBy(r => r.ClusterName, StringComparer.Ordinal).Select(g => new AttentionLine(
            Tone.Bad,
            $"Evacuation in {g.Key} is held: {(g.Count() == 1 ? "1 host" : $"{g.Count():N0} hosts")} lost trust together",
            $"{g.Sum(r => r.Machines):N0} VMs that require trust stay until a person says so",
            g.Min(r => r.Reaction.Since),
            "Decide",
            ClusterLook.Href(g.Key))
        { Count = g.Count() });
        var going = rows.Where(r => r.Reaction.State is ReactionState.Acting or ReactionState.Waiting).Select(r => new AttentionLine(
            ReactionLook.ToneOf(r.Reaction.State),
            r.Reaction.State == ReactionState.Acting ? $"{r.HostName} is being evacuated" : $"{r.HostName} is about to be evacuated",
            r.Reaction.Sentence.TrimEnd('.'),
            r.Reaction.Since,
            "Look at it",
            HostColumns.Href(r.HostName)));
        return [.. held, .. going];
    }
}
