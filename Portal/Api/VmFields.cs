using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>What a client writes of a VM; null where it says nothing.</summary>
internal sealed record VmFields
{
    private const string LevelField = "trust_level";
    private const string PropertyField = "custom_properties";

    public string? Name { get; private init; }

    public string? Description { get; private init; }

    public required MachineFields Machine { get; init; }

    public bool? RestartsAutomatically { get; private init; }

    public int? Priority { get; private init; }

    public TrustLevel? TrustLevel { get; private init; }

    public Reference? Cluster { get; private init; }

    public Reference? Template { get; private init; }

    /// <summary>Reads a <c>vm</c>. What is not known is passed over: clients send more than the portal keeps.</summary>
    public static Outcome<VmFields> Read(Element root)
    {
        var fields = new FieldReader(root);
        var read = new VmFields
        {
            Name = fields.Text("name"),
            Description = fields.Text("description"),
            Machine = MachineFields.Read(fields),
            RestartsAutomatically = fields.Flag("high_availability.enabled"),
            Priority = fields.Number("high_availability.priority") is { } priority ? (int)Math.Clamp(priority, -1, int.MaxValue) : null,
            TrustLevel = Level(fields),
            Cluster = Reference.Read(fields, "cluster"),
            Template = Reference.Read(fields, "template"),
        };
        return fields.Wrong is { } wrong ? wrong : read;
    }

    /// <summary>The level may come as an element of its own or as a custom property; both must say the same.</summary>
    private static TrustLevel? Level(FieldReader fields)
    {
        var written = new List<(string Field, string Word)>();
        if (fields.Word(LevelField) is { } own)
        {
            written.Add((LevelField, own));
        }

        foreach (var property in fields.Items(PropertyField, "custom_property"))
        {
            if (property.Word("name") == LevelField)
            {
                written.Add((PropertyField, property.Word("value") ?? ""));
            }
        }

        var levels = written.ConvertAll(w => Level(fields, w.Field, w.Word));
        if (levels.Distinct().Skip(1).Any())
        {
            fields.Refuse("vm.trust_level.ambiguous", LevelField, $"'{LevelField}' and the custom property of that name ask for different trust levels.", "Give one of them, or the same in both.");
        }

        return levels.FirstOrDefault();
    }

    private static TrustLevel? Level(FieldReader fields, string field, string word)
    {
        var level = TrustWords.LevelOf(word);
        if (level is null)
        {
            var where = field == LevelField ? LevelField : $"{PropertyField}.{LevelField}";
            fields.Refuse("vm.trust_level.unknown", where, $"'{FieldReader.Short(word)}' is no trust level.", "The trust level is 'any' or 'trusted'.");
        }

        return level;
    }
}
