using Portal.Extensions;

namespace Portal.Components.Attestation;

/// <summary>What the attestation feature adds to the dialog of a VM.</summary>
public static class TrustLevelContribution
{
    private const int AfterMemory = 450;

    /// <summary>Adds the trust level.</summary>
    public static IServiceCollection AddTrustLevelField(this IServiceCollection services) =>
        services.Contribute(new VmDialogField(TrustLevelField.FieldId, AfterMemory, typeof(TrustLevelField)));
}
