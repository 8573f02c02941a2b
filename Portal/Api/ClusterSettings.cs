using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>What a cluster does when a host loses trust, and how its VMs move, in its document and in a change of it. Times are whole seconds.</summary>
internal static class ClusterSettings
{
    public const string Reaction = "reaction";
    public const string Migration = "migration";

    public static Element Document(ReactionPolicy policy) => Element.Of(
        Reaction,
        Element.Leaf("on_trust_lost", Word(policy.Kind)),
        Element.Leaf("fallback", Word(policy.Fallback)),
        Element.Number("max_migrations", policy.AtOnce),
        Seconds("react_after", policy.ReactAfter),
        Seconds("release_after", policy.ReleaseAfter),
        Element.Of(
            "guard",
            Element.Number("share", policy.GuardShare),
            Element.Number("hosts", policy.GuardHosts),
            Seconds("window", policy.GuardWindow)));

    public static Element Document(MigrationSettings settings) => Element.Of(
        Migration,
        Element.Leaf("mode", Word(settings.Mode)),
        Element.Flag("copy_storage", settings.CopyStorage),
        Seconds("timeout", settings.Timeout));

    /// <summary>The reaction a request asks for; what it leaves out stays.</summary>
    public static Outcome<ReactionPolicy> Read(FieldReader body, ReactionPolicy now)
    {
        var wanted = now with
        {
            Kind = Choice(body, $"{Reaction}.on_trust_lost", now.Kind, Word),
            Fallback = Choice(body, $"{Reaction}.fallback", now.Fallback, Word),
            AtOnce = Count(body, $"{Reaction}.max_migrations", now.AtOnce),
            ReactAfter = Time(body, $"{Reaction}.react_after", now.ReactAfter),
            ReleaseAfter = Time(body, $"{Reaction}.release_after", now.ReleaseAfter),
            GuardShare = Count(body, $"{Reaction}.guard.share", now.GuardShare),
            GuardHosts = Count(body, $"{Reaction}.guard.hosts", now.GuardHosts),
            GuardWindow = Time(body, $"{Reaction}.guard.window", now.GuardWindow),
        };
        return body.Wrong is { } wrong ? wrong : wanted;
    }

    /// <summary>The migration settings a request asks for; what it leaves out stays.</summary>
    public static Outcome<MigrationSettings> Read(FieldReader body, MigrationSettings now)
    {
        var wanted = now with
        {
            Mode = Choice(body, $"{Migration}.mode", now.Mode, Word),
            CopyStorage = body.Flag($"{Migration}.copy_storage") ?? now.CopyStorage,
            Timeout = Time(body, $"{Migration}.timeout", now.Timeout),
        };
        return body.Wrong is { } wrong ? wrong : wanted;
    }

    /// <summary>The field at fault as a client wrote it.</summary>
    public static Refusal AsWritten(Refusal refusal) => refusal with
    {
        Field = refusal.Field switch
        {
            "kind" => $"{Reaction}.on_trust_lost",
            "fallback" => $"{Reaction}.fallback",
            "atOnce" => $"{Reaction}.max_migrations",
            "reactAfter" => $"{Reaction}.react_after",
            "releaseAfter" => $"{Reaction}.release_after",
            "guardShare" => $"{Reaction}.guard.share",
            "guardHosts" => $"{Reaction}.guard.hosts",
            "guardWindow" => $"{Reaction}.guard.window",
            "mode" => $"{Migration}.mode",
            "timeout" => $"{Migration}.timeout",
            var other => other,
        },
    };

    private static string Word(ReactionKind kind) => kind switch
    {
        ReactionKind.Alert => "alert",
        ReactionKind.Quarantine => "quarantine",
        ReactionKind.Evacuate => "evacuate",
    };

    private static string Word(EvacuationFallback fallback) => fallback switch
    {
        EvacuationFallback.Leave => "leave",
        EvacuationFallback.Pause => "pause",
        EvacuationFallback.ShutDown => "shutdown",
    };

    private static string Word(MigrationMode mode) => mode switch
    {
        MigrationMode.Direct => "direct",
        MigrationMode.PeerToPeer => "peer_to_peer",
        MigrationMode.Tunnelled => "tunnelled",
    };

    private static Element Seconds(string name, TimeSpan time) => Element.Number(name, (long)time.TotalSeconds);

    private static T Choice<T>(FieldReader body, string path, T now, Func<T, string> word)
        where T : struct, Enum
    {
        if (body.Word(path)?.ToLowerInvariant() is not { } said)
        {
            return now;
        }

        var values = Enum.GetValues<T>();
        if (Array.Exists(values, v => word(v) == said))
        {
            return Array.Find(values, v => word(v) == said);
        }

        body.Refuse("field.not_choice", path, $"'{FieldReader.Short(said)}' is none of the words known here.", $"Give one of {string.Join(", ", values.Select(word))}.");
        return now;
    }

    private static int Count(FieldReader body, string path, int now) => (int)Math.Clamp(body.Number(path) ?? now, int.MinValue, int.MaxValue);

    private static TimeSpan Time(FieldReader body, string path, TimeSpan now) =>
        body.Number(path) is { } seconds ? TimeSpan.FromSeconds(Math.Clamp(seconds, -1, (long)TimeSpan.FromDays(3650).TotalSeconds)) : now;
}
