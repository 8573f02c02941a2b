using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Virtualization.Connecting;
using Portal.Core.Virtualization.Libvirt;
using Portal.Core.Virtualization.LostTrust;
using Portal.Core.Virtualization.Steps;
using Portal.Core.Virtualization.Watch;

namespace Portal.Core.Virtualization;

/// <summary>Registers VMs and their operations.</summary>
public static class VirtualizationRegistration
{
    /// <summary>Adds the commands, the steps of every VM operation, and the watch over hypervisors' events.</summary>
    public static IServiceCollection AddVirtualization(this IServiceCollection services)
    {
        services.AddSingleton<Hypervisors>();
        services.AddSingleton<IHypervisorSecrets, HypervisorSecrets>();
        services.AddSingleton<VmStore>();
        services.AddSingleton<CreateVirtualMachine>();
        services.AddSingleton<ChangeVirtualMachine>();
        services.AddSingleton<VirtualMachineDirectory>();
        services.TryAddSingleton(new LibvirtOptions());
        services.AddSingleton<ConnectionRules>();
        services.AddSingleton<HostConnections>();
        services.AddSingleton<AddHost>();
        services.AddSingleton<EditHost>();
        services.AddSingleton<DecideConnection>();
        services.AddSingleton<RemoveHost>();
        services.AddSingleton<TestConnection>();
        services.AddSingleton<AdoptMachine>();
        services.AddSingleton<ClaimFoundStep>();
        services.AddSingleton<MakeOursStep>();
        services.AddSingleton<IOperationKind>(provider => new OperationKind<VmWork>(
            VirtualMachineOperations.Adopt,
            provider.GetRequiredService<ClaimFoundStep>(),
            provider.GetRequiredService<MakeOursStep>(),
            new LetGoStep(provider.GetRequiredService<VmStore>(), "vm.adopted", w => $"Virtual machine '{w.Name}' was adopted on {w.HostName}.")));
        services.AddSingleton<HostStanding>();
        services.AddSingleton<MachineNotes>();
        services.AddSingleton<Strangers>();
        services.AddSingleton<Strays>();
        services.AddSingleton<AutomaticRestarts>();
        services.AddHostedService(provider => provider.GetRequiredService<AutomaticRestarts>());
        services.AddSingleton<IWatchMachines>(provider => provider.GetRequiredService<AutomaticRestarts>());
        services.AddSingleton<CreateTemplate>();
        services.AddSingleton<EditTemplate>();
        services.AddSingleton<DeleteTemplate>();
        services.AddSingleton<TemplateDirectory>();
        services.AddSingleton<StorageDirectory>();
        services.AddHostedService<HypervisorWatch>();
        services.AddLostTrust();
        foreach (var kind in Kinds)
        {
            services.AddSingleton<IOperationKind>(provider => kind(new Parts(
                provider.GetRequiredService<Hypervisors>(), provider.GetRequiredService<VmStore>(), provider.GetRequiredService<TrustGate>(), provider.GetRequiredService<TimeProvider>())));
        }

        return services;
    }

    private static readonly Func<Parts, IOperationKind>[] Kinds =
    [
        p => Kind(
            VirtualMachineOperations.Create,
            new AdmitForCreateStep(p.Gate, p.Store),
            new DefineStep(p.Hypervisors, p.Store),
            p.Finish(VirtualMachineStatus.Down, "vm.created", w => $"Virtual machine '{w.Name}' was created on {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.CreateAndStart,
            new AdmitForCreateStep(p.Gate, p.Store),
            new DefineStep(p.Hypervisors, p.Store),
            new BootStep(p.Hypervisors, p.Store, p.Gate),
            p.Finish(VirtualMachineStatus.Up, "vm.created", w => $"Virtual machine '{w.Name}' was created and started on {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.Start,
            p.Mark(VirtualMachineStatus.Starting),
            new AdmitStep(p.Gate, p.Store, PlacementPurpose.Start),
            new MoveStep(p.Hypervisors, p.Store, p.Gate, p.Time),
            new BootStep(p.Hypervisors, p.Store, p.Gate),
            p.Finish(VirtualMachineStatus.Up, "vm.started", w => $"Virtual machine '{w.Name}' was started on {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.Shutdown,
            p.Mark(VirtualMachineStatus.PoweringDown),
            new ShutdownStep(p.Hypervisors, p.Store),
            p.Finish(VirtualMachineStatus.PoweringDown, "vm.shutdown", w => $"The guest of '{w.Name}' was asked to shut down.")),
        p => Kind(
            VirtualMachineOperations.Stop,
            p.Mark(VirtualMachineStatus.PoweringDown),
            new StopStep(p.Hypervisors, p.Store),
            p.Finish(VirtualMachineStatus.Down, "vm.stopped", w => $"Virtual machine '{w.Name}' was stopped.")),
        p => Kind(
            VirtualMachineOperations.Suspend,
            new PauseStep(p.Hypervisors, p.Store),
            p.Finish(VirtualMachineStatus.Paused, "vm.suspended", w => $"Virtual machine '{w.Name}' was suspended; it stays in its host's memory.")),
        p => Kind(
            VirtualMachineOperations.Resume,
            p.Mark(VirtualMachineStatus.Starting),
            new AdmitStep(p.Gate, p.Store, PlacementPurpose.Resume),
            new ResumeStep(p.Hypervisors, p.Store, p.Gate),
            p.Finish(VirtualMachineStatus.Up, "vm.resumed", w => $"Virtual machine '{w.Name}' runs on, on {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.Reboot,
            p.Mark(VirtualMachineStatus.PoweringDown),
            new AdmitStep(p.Gate, p.Store, PlacementPurpose.Reboot),
            new RebootStep(p.Hypervisors, p.Store, p.Gate),
            p.Finish(VirtualMachineStatus.Up, "vm.rebooted", w => $"The guest of '{w.Name}' was asked to reboot on {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.Migrate,
            p.Mark(VirtualMachineStatus.Migrating),
            new AdmitStep(p.Gate, p.Store, PlacementPurpose.Migrate),
            new MoveStep(p.Hypervisors, p.Store, p.Gate, p.Time),
            new LetGoStep(p.Store, "vm.migrated", w => $"Virtual machine '{w.Name}' was moved to {w.HostName}.")),
        p => Kind(
            VirtualMachineOperations.Edit,
            new ResizeStep(p.Store),
            new RedefineStep(p.Hypervisors, p.Store),
            new LetGoStep(p.Store, "vm.edited", w => $"Virtual machine '{w.Definition.Name}' was changed.")),
        p => Kind(
            VirtualMachineOperations.Delete,
            p.Mark(VirtualMachineStatus.Deleting),
            new RemoveStep(p.Hypervisors, p.Store),
            new DeleteRowStep(p.Store)),
    ];

    private static OperationKind<VmWork> Kind(string kind, params IReadOnlyList<OperationStep<VmWork>> steps) => new(kind, steps);

    internal sealed record Parts(Hypervisors Hypervisors, VmStore Store, TrustGate Gate, TimeProvider Time)
    {
        public FinishStep Finish(VirtualMachineStatus status, string @event, Func<VmWork, string> sentence) => new(Store, status, @event, sentence);

        public MarkStep Mark(VirtualMachineStatus status) => new(Store, status);
    }
}
