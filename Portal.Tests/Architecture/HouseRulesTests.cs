using System.Reflection;
using NetArchTest.Rules;
using Portal.Core;

namespace Portal.Tests.Architecture;

/// <summary>Arrows point down, adapters are known to nobody, rooms are capabilities and names say what things are.</summary>
public sealed class HouseRulesTests
{
    private const string Root = "Portal.Core";

    private static readonly Assembly Core = typeof(Refusal).Assembly;

    private static readonly string[] Rooms =
    [
        "Inventory", "Tpm", "Attestation", "Baselines", "Placement", "Virtualization", "Operations", "Access", "Audit", "Changes", "Simulation", "Storage",
    ];

    public static TheoryData<string> Adapters =>
    [
        "Attestation.BuiltIn", "Attestation.Keylime", "Attestation.OpenAttestation", "Virtualization.Libvirt", "Virtualization.OVirt", "Simulation",
    ];

    public static TheoryData<string, string[]> Foundations => new()
    {
        { "Inventory", ["Access", "Audit", "Storage", "Changes"] },
        { "Changes", [] },
        { "Access", ["Audit", "Inventory", "Storage", "Changes"] },
        { "Audit", ["Access", "Inventory", "Storage", "Changes"] },
    };

    [Fact]
    public void Tpm_UsesNoOtherRoom() => Holds(Types.InAssembly(Core)
        .That().ResideInNamespaceStartingWith(Room("Tpm"))
        .ShouldNot().HaveDependencyOnAny([.. Rooms.Where(r => r != "Tpm").Select(Room)]));

    [Fact]
    public void Core_KnowsNoWebAndNoUi()
    {
        var references = Core.GetReferencedAssemblies().Select(a => a.Name ?? "").ToList();

        Assert.DoesNotContain(references, r => r.StartsWith("MudBlazor", StringComparison.Ordinal));
        Assert.DoesNotContain(references, r =>
            r.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal) && !r.StartsWith("Microsoft.AspNetCore.DataProtection", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public void Adapter_IsKnownToNoOtherRoom(string adapter)
    {
        // The room an adapter lies in owns it; Simulation is a room of its own.
        var room = Room(adapter.Split('.')[0]);
        var strangers = Core.GetTypes().Where(t => !Inside(t, room) && !Generated(t) && !IsComposition(t)).ToHashSet();
        var knowing = Types.InAssembly(Core).That().HaveDependencyOn(Room(adapter)).GetTypes().Where(strangers.Contains).Select(t => t.FullName);
        Assert.Empty(knowing);
    }

    [Theory]
    [MemberData(nameof(Foundations))]
    public void Foundations_UseOnlyWhatLiesBelow(string room, string[] below)
    {
        var above = Rooms.Except([room, .. below]).Select(Room).ToArray();
        Holds(Types.InAssembly(Core).That().ResideInNamespaceStartingWith(Room(room)).ShouldNot().HaveDependencyOnAny(above));
    }

    [Fact]
    public void Rooms_AreCapabilitiesNotLayers()
    {
        string[] layers = ["Services", "Managers", "Helpers", "Utils", "Models", "DTOs"];
        var named = AllTypes().Select(t => t.Namespace ?? "").Distinct().Where(n => n.Split('.').Intersect(layers, StringComparer.OrdinalIgnoreCase).Any());
        Assert.Empty(named);

        var folders = SourceFolders().Where(f => layers.Contains(Path.GetFileName(f), StringComparer.OrdinalIgnoreCase));
        Assert.Empty(folders);
    }

    [Fact]
    public void Types_SayWhatTheyAre()
    {
        string[] vague = ["Manager", "Helper", "Util", "Info", "Data"];
        var named = AllTypes().Where(t => vague.Any(v => NameOf(t).EndsWith(v, StringComparison.Ordinal))).Select(t => t.FullName);
        Assert.Empty(named);
    }

    private static string Room(string name) => $"{Root}.{name}";

    private static bool Inside(Type type, string space) =>
        string.Equals(type.Namespace, space, StringComparison.Ordinal) || (type.Namespace?.StartsWith(space + ".", StringComparison.Ordinal) ?? false);

    // Where the core is put together: the root namespace itself, and the database model, which names every entity.
    private static bool IsComposition(Type type) => string.Equals(type.Namespace, Root, StringComparison.Ordinal) || Inside(type, Room("Storage"));

    private static bool Generated(Type type) => type.Name.Contains('<', StringComparison.Ordinal) || (type.DeclaringType is { } outer && Generated(outer));

    private static string NameOf(Type type) => type.Name.Split('`')[0];

    private static IEnumerable<Type> AllTypes() =>
        new[] { Core, Assembly.Load("Portal") }.SelectMany(a => a.GetTypes()).Where(t => !Generated(t) && t.Namespace?.StartsWith("Portal", StringComparison.Ordinal) == true);

    private static IEnumerable<string> SourceFolders()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Portal.sln")))
        {
            root = root.Parent;
        }

        Assert.NotNull(root);
        string[] projects = ["Portal.Core", "Portal", "Portal.Tests"];
        return projects.SelectMany(p => Directory.EnumerateDirectories(Path.Combine(root.FullName, p), "*", SearchOption.AllDirectories))
            .Where(f => !f.Split(Path.DirectorySeparatorChar).Intersect(["bin", "obj"], StringComparer.Ordinal).Any());
    }

    private static void Holds(ConditionList rule)
    {
        var result = rule.GetResult();
        Assert.True(result.IsSuccessful, string.Join(", ", result.FailingTypeNames ?? []));
    }
}
