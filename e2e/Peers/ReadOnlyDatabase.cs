using System.Diagnostics.CodeAnalysis;
using Microsoft.Data.Sqlite;

namespace Portal.E2E.Peers;

/// <summary>Looks into a SQLite file, also while a portal writes it.</summary>
internal sealed class ReadOnlyDatabase : IDisposable
{
    private readonly SqliteConnection connection;

    public ReadOnlyDatabase(string file)
    {
        connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        connection.Open();
    }

    public void Dispose() => connection.Dispose();

    [SuppressMessage("Security", "CA2100", Justification = "Every text is a constant of a test.")]
    public List<T> Rows<T>(string sql, Func<SqliteDataReader, T> read)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = 30;
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
