using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation;

/// <summary>One thing to write. Things committed together are there together after a crash, or none is.</summary>
internal abstract record FileChange
{
    public sealed record HostSaved(SimulatedHost Host) : FileChange;

    public sealed record DomainSaved(string Host, Domain Domain) : FileChange;

    public sealed record DomainRemoved(string Host, Guid Id) : FileChange;

    public sealed record Noted(string Name, string Value) : FileChange;
}

/// <summary>The simulation's own SQLite file, committed apart from the portal's database. Threads take turns.</summary>
internal sealed class SimulationFile : IDisposable
{
    private const int Layout = 1;

    private static readonly JsonSerializerOptions Json = new() { IgnoreReadOnlyProperties = true };

    private readonly SqliteConnection connection;
    private readonly Lock turn = new();

    public SimulationFile(string path)
    {
        var address = new SqliteConnectionStringBuilder { DataSource = path, Pooling = false };
        connection = new SqliteConnection(address.ToString());
        connection.Open();
        try
        {
            Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;");
            Prepare(path);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Rows changed since it was opened.</summary>
    public long Writes
    {
        get
        {
            using var mine = turn.EnterScope();
            using var command = Command("SELECT total_changes()");
            return (long)(command.ExecuteScalar() ?? 0L);
        }
    }

    public void Dispose() => connection.Dispose();

    public IEnumerable<SimulatedHost> Hosts()
    {
        using var command = Command("SELECT content FROM hosts ORDER BY name");
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return Read<SimulatedHost>(reader.GetString(0));
        }
    }

    public IEnumerable<(string Host, Domain Domain)> Domains()
    {
        using var command = Command("SELECT host, definition, state FROM domains ORDER BY host, id");
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return (reader.GetString(0), new Domain(Read<DomainDefinition>(reader.GetString(1)), Enum.Parse<DomainState>(reader.GetString(2))));
        }
    }

    public string? Note(string name)
    {
        using var mine = turn.EnterScope();
        using var command = Command("SELECT value FROM notes WHERE name = $name", ("$name", name));
        return (string?)command.ExecuteScalar();
    }

    public byte[]? Key(int index)
    {
        using var mine = turn.EnterScope();
        using var command = Command("SELECT pkcs8 FROM keys WHERE number = $number", ("$number", index));
        return (byte[]?)command.ExecuteScalar();
    }

    public void AddKey(int index, byte[] pkcs8)
    {
        using var mine = turn.EnterScope();
        using var command = Command("INSERT INTO keys (number, pkcs8) VALUES ($number, $pkcs8)", ("$number", index), ("$pkcs8", pkcs8));
        command.ExecuteNonQuery();
    }

    /// <summary>Writes all changes in one transaction.</summary>
    public void Commit(IReadOnlyCollection<FileChange> changes)
    {
        using var mine = turn.EnterScope();
        using var transaction = connection.BeginTransaction();
        foreach (var change in changes)
        {
            using var command = Write(change);
            command.Transaction = transaction;
            command.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    private SqliteCommand Write(FileChange change) => change switch
    {
        FileChange.HostSaved(var host) => Command(
            "INSERT INTO hosts (name, content) VALUES ($name, $content) ON CONFLICT (name) DO UPDATE SET content = excluded.content",
            ("$name", host.Name),
            ("$content", JsonSerializer.Serialize(host, Json))),
        FileChange.DomainSaved(var host, var domain) => Command(
            "INSERT INTO domains (host, id, definition, state) VALUES ($host, $id, $definition, $state) ON CONFLICT (host, id) DO UPDATE SET definition = excluded.definition, state = excluded.state",
            ("$host", host),
            ("$id", domain.Definition.Id.ToString()),
            ("$definition", JsonSerializer.Serialize(domain.Definition, Json)),
            ("$state", domain.State.ToString())),
        FileChange.DomainRemoved(var host, var id) => Command(
            "DELETE FROM domains WHERE host = $host AND id = $id",
            ("$host", host),
            ("$id", id.ToString())),
        FileChange.Noted(var name, var value) => Command(
            "INSERT INTO notes (name, value) VALUES ($name, $value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            ("$name", name),
            ("$value", value)),
        _ => throw new ArgumentOutOfRangeException(nameof(change)),
    };

    private void Prepare(string path)
    {
        using var version = Command("PRAGMA user_version");
        var layout = Convert.ToInt32(version.ExecuteScalar(), CultureInfo.InvariantCulture);
        if (layout == Layout)
        {
            return;
        }

        if (layout != 0)
        {
            throw new InvalidDataException($"The simulation file {path} has layout {layout}; this portal reads {Layout}. Start with another file.");
        }

        Execute($"""
            BEGIN;
            CREATE TABLE hosts (name TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE domains (host TEXT NOT NULL, id TEXT NOT NULL, definition TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (host, id)) WITHOUT ROWID;
            CREATE TABLE keys (number INTEGER PRIMARY KEY, pkcs8 BLOB NOT NULL);
            CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            PRAGMA user_version={Layout};
            COMMIT;
            """);
    }

    private void Execute(string sql)
    {
        using var command = Command(sql);
        command.ExecuteNonQuery();
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA2100", Justification = "Every text is a constant of this file.")]
    private SqliteCommand Command(string sql, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }

    private static T Read<T>(string json) =>
        JsonSerializer.Deserialize<T>(json, Json) ?? throw new InvalidDataException("The simulation file holds an empty row.");
}
