using Microsoft.EntityFrameworkCore;

namespace Portal.Core.Virtualization;

/// <summary>Refusals several commands give.</summary>
internal static class Refusals
{
    public static Refusal NameTaken(string name) => new(
        "vm.name.taken", RefusalKind.Conflict, $"There is a virtual machine named '{name}' already.", "Choose another name.", "name");

    public static Refusal Busy(string name) =>
        Refusal.Conflict("vm.busy", $"'{name}' is being changed by another operation.", "Wait until that has ended; the Tasks drawer shows it.");

    public static Refusal WrongState(string name, string state, string needed) =>
        Refusal.Conflict("vm.state", $"'{name}' is {state}.", needed);

    public static Refusal DatabaseBusy() =>
        new("database.busy", RefusalKind.Unavailable, "The database is busy and did not take the change in time.", "Nothing was changed; try again in a moment.");

    /// <summary>Whether a unique index refused the row, on any provider.</summary>
    public static bool IsDuplicate(DbUpdateException fault) =>
        fault.InnerException is Microsoft.Data.Sqlite.SqliteException { SqliteErrorCode: 19 };

    /// <summary>Whether the database was locked by another writer for too long.</summary>
    public static bool IsLocked(Exception fault) =>
        (fault as Microsoft.Data.Sqlite.SqliteException ?? fault.InnerException as Microsoft.Data.Sqlite.SqliteException) is { SqliteErrorCode: 5 or 6 };
}
