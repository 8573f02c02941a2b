using FluentValidation;

namespace Portal.Core.Inventory;

/// <summary>The limits of what a cluster does when a host loses trust.</summary>
public sealed class ReactionPolicyRules : AbstractValidator<ReactionPolicy>
{
    /// <summary>Most VMs of a host that move at the same time.</summary>
    public const int MostAtOnce = 32;

    /// <summary>Most hosts the guard may ask for.</summary>
    public const int MostGuardHosts = 1000;

    /// <summary>Shortest time within which the guard counts falls together.</summary>
    public static TimeSpan ShortestGuardWindow => TimeSpan.FromSeconds(30);

    /// <summary>Longest time within which the guard counts falls together.</summary>
    public static TimeSpan LongestGuardWindow => TimeSpan.FromHours(24);

    /// <summary>Longest wait before VMs move.</summary>
    public static TimeSpan LongestReactAfter => TimeSpan.FromHours(1);

    /// <summary>Longest quarantine after a host is trusted again.</summary>
    public static TimeSpan LongestReleaseAfter => TimeSpan.FromDays(30);

    /// <summary>The rules hold no state.</summary>
    public static ReactionPolicyRules Instance { get; } = new();

    private ReactionPolicyRules()
    {
        RuleFor(p => p.Kind).IsInEnum().RefusedAs("cluster.reaction.kind", "What a cluster does is one of alert, quarantine and evacuate.", "Choose one of them.");
        RuleFor(p => p.Fallback).IsInEnum().RefusedAs("cluster.reaction.fallback", "What becomes of a virtual machine no host takes is one of leave, pause and shut down.", "Choose one of them.");
        RuleFor(p => p.AtOnce).InclusiveBetween(1, MostAtOnce).RefusedAs("cluster.reaction.at_once", "Between 1 and 32 virtual machines of a host move at the same time.", "Choose a number within these limits.");
        RuleFor(p => p.GuardShare).InclusiveBetween(1, 100).RefusedAs("cluster.reaction.guard_share", "The guard's share of the hosts is between 1 and 100 percent.", "Choose a share within these limits.");
        RuleFor(p => p.GuardHosts).InclusiveBetween(2, MostGuardHosts).RefusedAs("cluster.reaction.guard_hosts", "The guard holds from between 2 and 1000 hosts on; with one it would hold every reaction.", "Choose a number within these limits.");
        RuleFor(p => p.GuardWindow)
            .InclusiveBetween(ShortestGuardWindow, LongestGuardWindow)
            .RefusedAs("cluster.reaction.guard_window", "Falls are counted together within between 30 seconds and 24 hours.", "Choose a time within these limits.");
        RuleFor(p => p.ReactAfter)
            .InclusiveBetween(TimeSpan.Zero, LongestReactAfter)
            .RefusedAs("cluster.reaction.react_after", "Virtual machines move at most an hour after a host fell; 0 moves them at once.", "Choose a time within these limits.");
        RuleFor(p => p.ReleaseAfter)
            .InclusiveBetween(TimeSpan.Zero, LongestReleaseAfter)
            .RefusedAs("cluster.reaction.release_after", "A quarantine ends at most 30 days after a host is trusted again; 0 ends it at once.", "Choose a time within these limits.");
    }
}

/// <summary>The limits of how VMs of a cluster move.</summary>
public sealed class MigrationRules : AbstractValidator<MigrationSettings>
{
    /// <summary>Shortest time a move may take.</summary>
    public static TimeSpan ShortestTimeout => TimeSpan.FromMinutes(1);

    /// <summary>Longest time a move may take.</summary>
    public static TimeSpan LongestTimeout => TimeSpan.FromHours(24);

    /// <summary>The rules hold no state.</summary>
    public static MigrationRules Instance { get; } = new();

    private MigrationRules()
    {
        RuleFor(m => m.Mode).IsInEnum().RefusedAs("cluster.migration.mode", "Virtual machines move directly, peer to peer or tunnelled.", "Choose one of them.");
        RuleFor(m => m.Timeout)
            .InclusiveBetween(ShortestTimeout, LongestTimeout)
            .RefusedAs("cluster.migration.timeout", "A move is given up after between 1 minute and 24 hours.", "Choose a time within these limits.");
    }
}
