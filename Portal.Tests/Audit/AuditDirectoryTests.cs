using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Tests.Baselines;

namespace Portal.Tests.Audit;

public sealed class AuditDirectoryTests : IAsyncLifetime
{
    private Bench bench = null!;

    private AuditDirectory Directory => bench.Get<AuditDirectory>();

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Search_PagesNewestFirstAndNewRowsShiftNothing()
    {
        await WriteAsync(Enumerable.Range(1, 7).Select(i => ($"Row {i}", "Ann", AuditSeverity.Notice)));
        var first = (await Directory.SearchAsync(Bench.Auditor, new(), null, 3, default)).Value;
        await WriteAsync([("Row 8", "Ann", AuditSeverity.Notice)]);

        var second = (await Directory.SearchAsync(Bench.Auditor, new(), first.Next, 3, default)).Value;
        var third = (await Directory.SearchAsync(Bench.Auditor, new(), second.Next, 3, default)).Value;

        Assert.Equal(["Row 7", "Row 6", "Row 5", "Row 4", "Row 3", "Row 2", "Row 1"], first.Rows.Concat(second.Rows).Concat(third.Rows).Select(r => r.Sentence));
        Assert.Null(third.Next);
    }

    [Fact]
    public async Task Search_ByTextPersonAndSeverity_IgnoresCaseAndTakesWildcardsLiterally()
    {
        await WriteAsync([("Started VM billing-db", "Ann", AuditSeverity.Notice), ("100% refused", "Bob", AuditSeverity.Refusal), ("Lost trust", "the portal", AuditSeverity.Alarm)]);

        Assert.Equal(["Started VM billing-db"], await FindAsync(new(Text: "BILLING")));
        Assert.Equal(["100% refused"], await FindAsync(new(Text: "%")));
        Assert.Equal(["100% refused"], await FindAsync(new(Person: "bob")));
        Assert.Equal(["Lost trust"], await FindAsync(new(Severity: AuditSeverity.Alarm)));
        Assert.Empty(await FindAsync(new(Text: "billing", Severity: AuditSeverity.Alarm)));
    }

    [Fact]
    public async Task Search_ByTime_IncludesTheStartAndExcludesTheEnd()
    {
        var start = bench.Time.GetUtcNow();
        for (var i = 0; i < 4; i++)
        {
            await WriteAsync([($"Row {i}", "Ann", AuditSeverity.Notice)]);
            bench.Time.Advance(TimeSpan.FromHours(1));
        }

        Assert.Equal(["Row 2", "Row 1"], await FindAsync(new(From: start.AddHours(1), To: start.AddHours(3))));
    }

    [Fact]
    public async Task Search_ByTarget_FindsOnlyIt()
    {
        var baseline = await bench.DraftAsync(Bench.Ann, "one");
        await bench.DraftAsync(Bench.Ann, "two");

        var rows = (await Directory.SearchAsync(Bench.Auditor, new(TargetKind: "baseline", TargetId: baseline.BaselineId), null, 50, default)).Value.Rows;

        Assert.Equal("one", Assert.Single(rows).TargetName);
    }

    [Fact]
    public async Task Export_StreamsEverythingInUtcAndIsItselfAudited()
    {
        await WriteAsync(Enumerable.Range(1, 2500).Select(i => ($"Row {i}", "Ann", AuditSeverity.Notice)));

        var export = (await Directory.ExportAsync(Bench.Auditor, new(Text: "row"), default)).Value;
        var rows = new List<AuditRow>();
        await foreach (var row in export.Rows)
        {
            rows.Add(row);
        }

        Assert.Equal(2500, rows.Select(r => r.Id).Distinct().Count());
        Assert.All(rows, r => Assert.Equal(TimeSpan.Zero, r.At.Offset));
        Assert.Equal("audit.exported", (await bench.AuditAsync())[^1].Event);
    }

    [Fact]
    public async Task AnyQuery_ByAPersonWithoutARole_IsRefused()
    {
        Assert.Equal("access.denied", (await Directory.SearchAsync(Bench.Nobody, new(), null, 50, default)).Refusal?.Code);
        Assert.Equal("access.denied", (await Directory.ExportAsync(Bench.Nobody, new(), default)).Refusal?.Code);
    }

    private async Task<IEnumerable<string>> FindAsync(AuditQuery query) =>
        (await Directory.SearchAsync(Bench.Auditor, query, null, 50, default)).Value.Rows.Select(r => r.Sentence);

    private Task WriteAsync(IEnumerable<(string Sentence, string Person, AuditSeverity Severity)> rows) => bench.QueryAsync(async db =>
    {
        db.AuditEntries.AddRange(rows.Select(r => new AuditEntry
        {
            At = bench.Time.GetUtcNow(),
            Issuer = "idp",
            Subject = r.Person,
            PersonName = r.Person,
            Event = "test.happened",
            Severity = r.Severity,
            TargetKind = "host",
            TargetName = "kvm1",
            Sentence = r.Sentence,
        }));
        return await db.SaveChangesAsync();
    });
}
