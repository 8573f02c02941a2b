using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

public sealed class AttestationDeskTests
{
    [Fact]
    public async Task Enrolment_WhileARoundAsksTheHostWithoutAKey_EndsTrusted()
    {
        var held = new HeldService();
        await using var pool = await TrustedPool.StartAsync(
            hosts: 1,
            enrol: false,
            more: services => services.AddSingleton<IAttestationService>(provider => held.Before(ActivatorUtilities.CreateInstance<Core.Attestation.BuiltIn.BuiltInVerifier>(provider))));
        var host = await pool.HostAsync("kvm-a01");

        var round = pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        await held.Asked.WaitAsync(pool.Ct);
        var enrolling = pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, host.Id, pool.Ct);
        await using (var db = pool.Database())
        {
            while (!await db.Attesters.AnyAsync(a => a.HostId == host.Id, pool.Ct))
            {
                await Task.Yield();
            }
        }

        held.Release();
        await round;
        TrustedPool.Expect(await enrolling);

        Assert.Equal(Verdict.Trusted, (await pool.RowAsync("kvm-a01")).Verdict);
    }

    /// <summary>Holds up the first question.</summary>
    private sealed class HeldService : IAttestationService
    {
        private readonly TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private IAttestationService inner = null!;

        public Task Asked => asked.Task;

        public string Type => inner.Type;

        public HeldService Before(IAttestationService service)
        {
            inner = service;
            return this;
        }

        public void Release() => released.TrySetResult();

        public async ValueTask<AttestationReport> AttestAsync(AttestationSubject subject, AppraisalPolicy policy, Func<IReadOnlyList<Guid>> nonceIssued, CancellationToken ct)
        {
            if (asked.TrySetResult())
            {
                await released.Task.WaitAsync(ct);
            }

            return await inner.AttestAsync(subject, policy, nonceIssued, ct);
        }

        public AttestationReport Reappraise(StoredEvidence stored, AppraisalPolicy policy) => inner.Reappraise(stored, policy);
    }
}
