using System.Reflection;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Tests.World;

/// <summary>A hypervisor that tells of every start of a VM before it does it: the moment at which trust has to be given. All else is the real one's.</summary>
internal class WatchedHypervisor : DispatchProxy
{
    private IHypervisor real = null!;
    private Action<string> starting = null!;

    /// <summary>Watches one.</summary>
    /// <param name="real">Does the work.</param>
    /// <param name="starting">Told of the host.</param>
    public static IHypervisor Of(IHypervisor real, Action<string> starting)
    {
        var watched = Create<IHypervisor, WatchedHypervisor>();
        ((WatchedHypervisor)(object)watched).real = real;
        ((WatchedHypervisor)(object)watched).starting = starting;
        return watched;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == nameof(IHypervisor.StartAsync))
        {
            starting(((HostEndpoint)args![0]!).Name);
        }

        return targetMethod.Invoke(real, BindingFlags.DoNotWrapExceptions, null, args, null);
    }
}
