using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn.Registration;

/// <summary>
/// The TPM makers this site believes. A root lets any number of TPMs in without anybody looking at them again, so it takes two people to list
/// one; one person takes it away.
/// </summary>
/// <param name="desk">What commands share.</param>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
public sealed class VendorRoots(ClusterDesk desk, IDbContextFactory<PortalDbContext> contexts, TimeProvider time)
{
    /// <summary>Most certificates listed.</summary>
    public const int Most = 500;

    private const string Kind = "vendor_root";

    /// <summary>All of them, by name.</summary>
    public async Task<IReadOnlyList<VendorRoot>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VendorRoots.AsNoTracking().OrderBy(r => r.Subject).ToListAsync(ct);
    }

    /// <summary>Judges the origin of a TPM by what is listed now.</summary>
    public async Task<Func<RegisteredAttester, EndorsementAppraisal>> JudgeAsync(CancellationToken ct)
    {
        var judge = await JudgeKeysAsync(ct);
        return attester => judge(attester.EndorsementKey, attester.EndorsementCertificate);
    }

    /// <summary>The same of an endorsement key and its certificate, empty where there is none.</summary>
    public async Task<Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>, EndorsementAppraisal>> JudgeKeysAsync(CancellationToken ct)
    {
        var listed = (await ListAsync(ct)).Where(r => r.Counts).ToList();
        var authorities = EndorsementAuthorities.FromPem(Pem(listed.Where(r => r.IsRoot)), Pem(listed.Where(r => !r.IsRoot))).Value;
        return (area, certificate) => EndorsementKey.Accept(area.Span).TryGet(out var key, out var refusal)
            ? EndorsementCheck.Check(certificate.Span, key, authorities, time)
            : new EndorsementAppraisal(EndorsementVerdict.Unreadable, refusal.Message, refusal.Remedy, null);
    }

    /// <summary>
    /// Proposes a root, or lists a certificate below one. Needs <see cref="Permission.ManageClusters"/>.
    /// Refusals: <c>vendor_root.unreadable</c>, <c>vendor_root.known</c>, <c>vendor_root.no_authority</c>, <c>vendor_root.many</c>.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="pem">One certificate in PEM.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public Task<Outcome<VendorRoot>> AddAsync(Caller caller, string pem, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageClusters,
        new AuditTarget(Kind, null, "TPM maker"),
        async step =>
        {
            if (Read(pem) is not { } certificate)
            {
                return Refusal.Invalid("vendor_root.unreadable", "certificate", "That is not one certificate in PEM.", "Paste the text from BEGIN CERTIFICATE to END CERTIFICATE.");
            }

            using (certificate)
            {
                if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault() is not { CertificateAuthority: true })
                {
                    return Refusal.Invalid("vendor_root.no_authority", "certificate", "The certificate is no authority's.", "List the maker's root or intermediate certificate.");
                }

                var fingerprint = Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));
                if (await step.Db.VendorRoots.AnyAsync(r => r.Fingerprint == fingerprint, step.Ct))
                {
                    return Refusal.Conflict("vendor_root.known", "This certificate is listed already.", "Nothing to do.");
                }

                if (await step.Db.VendorRoots.CountAsync(step.Ct) >= Most)
                {
                    return Refusal.Conflict("vendor_root.many", $"{Most} certificates are listed.", "Remove some.");
                }

                var root = new VendorRoot
                {
                    Certificate = certificate.RawData,
                    Fingerprint = fingerprint,
                    Subject = ClaimedText.Safe(certificate.Subject),
                    IsRoot = certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData),
                    NotAfter = new DateTimeOffset(certificate.NotAfter.ToUniversalTime(), TimeSpan.Zero),
                    Issuer = caller.Person.Issuer,
                    ProposerSubject = caller.Person.Subject,
                    ProposedBy = caller.Person.Name,
                    ProposedAt = step.Now,
                };
                step.Db.VendorRoots.Add(root);
                step.About(new AuditTarget(Kind, root.Id, root.Subject));
                step.Audit(
                    root.IsRoot ? "vendor_root.proposed" : "vendor_root.listed",
                    root.IsRoot
                        ? $"{caller.Person.Name} proposed to believe the TPM maker {root.Subject} ({fingerprint}); a second person has to confirm it."
                        : $"{caller.Person.Name} listed {root.Subject} ({fingerprint}); it counts as far as a root vouches for it.");
                step.Changes.Add(Change.Of(ChangeTopic.Attester));
                return Outcome.Of(root);
            }
        },
        ct);

    /// <summary>Confirms a proposed root: somebody else than who proposed it. Refusals: <c>vendor_root.own</c>, <c>vendor_root.confirmed</c>.</summary>
    public Task<Outcome<VendorRoot>> ConfirmAsync(Caller caller, Guid id, CancellationToken ct) => ChangeAsync(caller, id, (step, root) =>
    {
        if (root.Counts)
        {
            return Refusal.Conflict("vendor_root.confirmed", "This certificate counts already.", "Nothing to do.");
        }

        if (new Person(root.Issuer, root.ProposerSubject, "").Is(caller.Person))
        {
            return Refusal.Conflict("vendor_root.own", "You proposed this root yourself.", "Ask a second person to confirm it.");
        }

        root.ConfirmedBy = caller.Person.Name;
        step.Audit("vendor_root.confirmed", $"{caller.Person.Name} confirmed the TPM maker {root.Subject} that {root.ProposedBy} proposed.");
        return root;
    }, ct);

    /// <summary>Removes a certificate: registrations it vouched for wait for two people again; what is enrolled stays enrolled.</summary>
    public Task<Outcome<VendorRoot>> RemoveAsync(Caller caller, Guid id, CancellationToken ct) => ChangeAsync(caller, id, (step, root) =>
    {
        step.Db.VendorRoots.Remove(root);
        step.Audit("vendor_root.removed", $"{caller.Person.Name} no longer believes the TPM maker {root.Subject} ({root.Fingerprint}).");
        return root;
    }, ct);

    private Task<Outcome<VendorRoot>> ChangeAsync(Caller caller, Guid id, Func<ClusterStep, VendorRoot, Outcome<VendorRoot>> change, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageClusters,
        new AuditTarget(Kind, id, "TPM maker"),
        async step =>
        {
            if (await step.Db.VendorRoots.SingleOrDefaultAsync(r => r.Id == id, step.Ct) is not { } root)
            {
                return Refusal.NotFound(Kind, id.ToString());
            }

            step.About(new AuditTarget(Kind, root.Id, root.Subject));
            step.Changes.Add(Change.Of(ChangeTopic.Attester));
            return change(step, root);
        },
        ct);

    private static X509Certificate2? Read(string pem)
    {
        try
        {
            return X509Certificate2.CreateFromPem(pem);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static string Pem(IEnumerable<VendorRoot> roots) => string.Join('\n', roots.Select(r => PemEncoding.WriteString("CERTIFICATE", r.Certificate)));
}
