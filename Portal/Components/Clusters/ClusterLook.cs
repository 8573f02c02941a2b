using Portal.Components.Hosts;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Words and addresses of clusters.</summary>
internal static class ClusterLook
{
    public static string Href(string name, string? part = null) => $"/clusters/{Uri.EscapeDataString(name)}{(part is null ? null : "/" + part)}";

    /// <summary>Its hosts, and of them those with a value of a facet.</summary>
    public static string HostsHref(string name, FacetCount? count = null) =>
        SearchText.Href(count is null ? SearchText.Of(("cluster", name)) : SearchText.Of(("cluster", name), (count.Facet, count.Value)));

    public static string VmsHref(string name) => $"/vms?q={Uri.EscapeDataString(SearchText.Of(("cluster", name)))}";

    /// <summary>A policy in one line, for a card.</summary>
    public static string Summary(TrustPolicy policy) =>
        $"Must match {PolicyWords.Kinds(policy.RequiredKinds)}; asked every {PolicyWords.Duration(policy.Interval)}; {Start(policy)}.";

    public static string Levels(TrustLevels levels) => levels switch
    {
        TrustLevels.Any => "any host",
        TrustLevels.Trusted => "a trusted host, and nothing less",
        TrustLevels.Any | TrustLevels.Trusted => "any host or a trusted host",
        _ => "nothing",
    };

    private static string Start(TrustPolicy policy) =>
        policy.MaxAgeAtStart == TimeSpan.Zero ? "asked anew at every start" : $"a start needs evidence younger than {PolicyWords.Duration(policy.MaxAgeAtStart)}";
}
