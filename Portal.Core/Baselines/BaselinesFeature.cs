using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>Registers the room.</summary>
public static class BaselinesFeature
{
    /// <summary>Adds commands and queries on baselines. Needs storage, audit, access, the change feed and an <see cref="Attestation.IReappraisal"/>.</summary>
    public static IServiceCollection AddBaselines(this IServiceCollection services) => services
        .AddSingleton<RevisionDesk>()
        .AddSingleton<CreateBaseline>()
        .AddSingleton<NewRevision>()
        .AddSingleton<EditRevision>()
        .AddSingleton<SubmitRevision>()
        .AddSingleton<ApproveRevision>()
        .AddSingleton<RejectRevision>()
        .AddSingleton<RetireRevision>()
        .AddSingleton<RenameBaseline>()
        .AddSingleton<CaptureBaseline>()
        .AddSingleton<ApprovedRevisions>()
        .AddSingleton<IHostFacet, BaselineFacet>()
        .AddSingleton<BaselineDirectory>();
}
