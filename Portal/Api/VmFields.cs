using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Api;

/// <summary>What a client writes of a VM; null where it says nothing.</summary>
internal sealed record VmFields
{
    private const string LevelField = "trust_level";
    private const string PropertyField = "custom_properties";

    public string? Name { get; private init; }

    public string? Description { get; private init; }

    public long? Memory { get; private init; }

    public TrustLevel? TrustLevel { get; private init; }

    public Reference? Cluster { get; private init; }

    public Reference? Template { get; private init; }

    private int? Sockets { get; init; }

    private int? Cores { get; init; }

    private int? Threads { get; init; }

    /// <summary>Reads a <c>vm</c>. What is not known is passed over: clients send more than the portal keeps.</summary>
    public static Outcome<VmFields> Read(Element root)
    {
        var fields = new FieldReader(root);
        var read = new VmFields
        {
            Name = fields.Text("name"),
            Description = fields.Text("description"),
            Memory = fields.Number("memory"),
            TrustLevel = Level(fields),
            Cluster = Reference.Read(fields, "cluster"),
            Template = Reference.Read(fields, "template"),
            Sockets = Count(fields, "sockets"),
            Cores = Count(fields, "cores"),
            Threads = Count(fields, "threads"),
        };
        return fields.Wrong is { } wrong ? wrong : read;
    }

    /// <summary>Virtual CPUs of the topology, where what is left out is as the VM has it: sockets of one core with one thread.</summary>
    /// <param name="sockets">The VM's sockets; 1 for a new one.</param>
    public int? CpusOver(int sockets) =>
        Sockets is null && Cores is null && Threads is null ? null : (Sockets ?? sockets) * (Cores ?? 1) * (Threads ?? 1);

    private static int? Count(FieldReader fields, string part)
    {
        var field = $"cpu.topology.{part}";
        if (fields.Number(field) is not { } count)
        {
            return null;
        }

        if (count is >= 1 and <= VirtualMachineLimits.MostCpus)
        {
            return (int)count;
        }

        fields.Refuse("vm.cpu.range", field, $"{count} {part} are not between 1 and {VirtualMachineLimits.MostCpus}.", "Correct it and try again.");
        return null;
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
