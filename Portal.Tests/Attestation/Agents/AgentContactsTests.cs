using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Agents;

public sealed class AgentContactsTests
{
    [Fact]
    public async Task WhoAsksWhileContactsAreRead_WaitsForThem()
    {
        await using var pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));
        Host host;
        await using (var db = pool.Database())
        {
            host = db.Hosts.First();
            Add(db, host.Id);
            await db.SaveChangesAsync(pool.Ct);
        }

        var contacts = pool.Get<AgentContacts>();
        for (var round = 0; round < 50; round++)
        {
            pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Attester));
            var found = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => contacts.Of(host.Id), pool.Ct)));
            Assert.All(found, contact => Assert.Equal(("10.0.0.7", 9002), (contact?.Address, contact?.Port)));
        }

        await using (var db = pool.Database())
        {
            db.RegisteredAttesters.RemoveRange(db.RegisteredAttesters);
            await db.SaveChangesAsync(pool.Ct);
        }

        Assert.True(contacts.Has(host.Id));
        pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Attester));
        Assert.False(contacts.Has(host.Id));
    }

    private static void Add(PortalDbContext db, Guid hostId) => db.RegisteredAttesters.Add(new RegisteredAttester
    {
        AgentId = "3f7c",
        EndorsementKey = [],
        EndorsementHash = "00",
        AttestationKey = [],
        KeyName = "00",
        ServerCertificate = [1],
        Address = "10.0.0.7",
        Port = 9002,
        SeenFrom = "10.0.0.7",
        FirstSeenAt = DateTimeOffset.UnixEpoch,
        LastSeenAt = DateTimeOffset.UnixEpoch,
        Status = RegistrationStatus.Enrolled,
        HostId = hostId,
    });
}
