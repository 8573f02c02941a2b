using System.Text.Json;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>Kinds of operation that empty a host, and how they are recorded.</summary>
public static class EvacuationOperations
{
    /// <summary>VMs that require trust leave a host that lost it.</summary>
    public const string Evacuate = "host.evacuate";

    /// <summary>Every VM leaves a host, which then is in maintenance.</summary>
    public const string Maintenance = "host.maintenance";

    internal static EvacuationWork WorkOf(Operation operation) =>
        JsonSerializer.Deserialize<EvacuationWork>(operation.Data) ?? throw new JsonException($"Operation {operation.Id} has no data.");

    internal static Operation New(OperationRunner runner, EvacuationWork work, string title, Person person, DateTimeOffset now)
    {
        var kind = work.Purpose == EvacuationPurpose.TrustLost ? Evacuate : Maintenance;
        return new Operation
        {
            Kind = kind,
            Title = title,
            TargetKind = "host",
            TargetId = work.HostId,
            TargetName = work.HostName,
            Data = JsonSerializer.Serialize(work),
            Steps = runner.InitialSteps(kind),
            Issuer = person.Issuer,
            Subject = person.Subject,
            PersonName = person.Name,
            CreatedAt = now,
        };
    }

    /// <summary>A work for a host by its cluster's policy.</summary>
    internal static EvacuationWork Work(Host host, ReactionPolicy policy, EvacuationPurpose purpose) => new()
    {
        HostId = host.Id,
        HostName = host.Name,
        ClusterId = host.ClusterId,
        Purpose = purpose,
        AtOnce = policy.AtOnce,
        Fallback = policy.Fallback,
    };
}
