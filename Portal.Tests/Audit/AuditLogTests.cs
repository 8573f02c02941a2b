using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Tests.World;

namespace Portal.Tests.Audit;

public sealed class AuditLogTests
{
    [Fact]
    public async Task Refusal_OfAnAbsurdName_KeepsOnlyItsBeginning()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);

        await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = new string('x', 1_000_000), ClusterId = pool.Cluster }, pool.Ct);

        await using var db = pool.Database();
        var row = await db.AuditEntries.OrderBy(a => a.Id).LastAsync(pool.Ct);
        Assert.Equal("vm.invalid", row.Event);
        Assert.Equal(new string('x', 199) + "…", row.TargetName);
    }

    [Fact]
    public async Task Entry_OfAbsurdLength_IsCutWithoutBreakingACharacter()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        var smile = string.Concat(Enumerable.Repeat("😀", 100_000));

        await pool.Get<AuditLog>().AppendAsync(new Person("test", "otto", smile), "test.long", new AuditTarget("vm", null, "x" + smile), smile, AuditSeverity.Notice, $"\"{smile}\"", pool.Ct);

        await using var db = pool.Database();
        var row = await db.AuditEntries.OrderBy(a => a.Id).LastAsync(pool.Ct);
        Assert.All([row.PersonName, row.TargetName, row.Sentence], text => Assert.DoesNotContain('\uFFFD', text));
        Assert.All([row.PersonName, row.TargetName], name => Assert.InRange(name.Length, 198, 200));
        Assert.Equal("{\"omitted\":200002}", row.Detail);
    }

    [Fact]
    public async Task Refusal_OfAHostThatIsNotThere_LeavesARow()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        var nobody = Guid.NewGuid();

        await pool.Get<AttestHost>().ExecuteAsync(TrustedPool.Administrator, nobody, pool.Ct);
        await pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, nobody, pool.Ct);
        await pool.Get<EvidenceBundle>().ExecuteAsync(TrustedPool.Administrator, nobody, pool.Ct);
        await pool.Get<EvidenceBundle>().ExecuteAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a01")).Id, pool.Ct);

        await using var db = pool.Database();
        Assert.Equal(3, await db.AuditEntries.CountAsync(a => a.TargetId == nobody && a.Event == "host.not_found" && a.Severity == AuditSeverity.Refusal, pool.Ct));
        Assert.Equal(1, await db.AuditEntries.CountAsync(a => a.Event == "evidence.none", pool.Ct));
    }
}
