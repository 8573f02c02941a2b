namespace Portal.Core.Attestation.OpenAttestation;

/// <summary>Where things are on an OpenAttestation server, alike in 1.5 to 2.3.</summary>
internal static class OatPaths
{
    public const string PollHosts = "/AttestationService/resources/PollHosts";
    public const string Hosts = "/AttestationService/resources/hosts";
    public const string HostTrust = "/AttestationService/resources/hosts/trust";
    public const string Report = "/AttestationService/resources/hosts/reports/attestationreport";
    public const string Oem = "/WLMService/resources/oem";
    public const string Os = "/WLMService/resources/os";
    public const string Mles = "/WLMService/resources/mles";
    public const string Manifest = "/WLMService/resources/mles/manifest";
    public const string WhiteList = "/WLMService/resources/mles/whitelist/pcr";

    /// <summary>A query of names and values, encoded.</summary>
    public static string With(string path, params IEnumerable<(string Name, string Value)> query) =>
        $"{path}?{string.Join('&', query.Select(q => $"{q.Name}={Uri.EscapeDataString(q.Value)}"))}";
}
