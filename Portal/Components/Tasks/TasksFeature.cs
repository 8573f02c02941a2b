using Portal.Extensions;

namespace Portal.Components.Tasks;

/// <summary>What is being done, at the bottom of every page.</summary>
public static class TasksFeature
{
    /// <summary>Adds the drawer.</summary>
    public static IServiceCollection AddTasksDrawer(this IServiceCollection services) => services.Contribute(new BottomDrawer(100, typeof(TasksDrawer)));
}
