using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>A certificate authority of ours: hosts' agents let in whom it vouches for.</summary>
public sealed class AuthorityRecord
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Its certificate, DER.</summary>
    public required byte[] Certificate { get; init; }

    /// <summary>Its private key, PKCS#8, protected by the portal's data protection keys.</summary>
    public required byte[] ProtectedKey { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>
/// Our own certificate authority for talking to agents: made at first use, kept protected in the database. The client certificate it vouches
/// for is made anew at each start and lives in memory only. The oldest authority is the one used; a newer one is published beside it, so that
/// agents can be given both before the old one is retired and the new one used.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="protection">Protects the private key.</param>
/// <param name="audit">The audit.</param>
/// <param name="time">Our clock.</param>
public sealed class AgentAuthority(IDbContextFactory<PortalDbContext> contexts, IDataProtectionProvider protection, AuditLog audit, TimeProvider time)
{
    private const string Purpose = "Portal.Agents.Authority";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(3650);
    private static readonly TimeSpan Life = TimeSpan.FromDays(90);

    private readonly Lock turn = new();
    private (SslStreamCertificateContext Context, DateTimeOffset Until)? client;
    private (string Names, X509Certificate2 Certificate, DateTimeOffset Until)? server;

    /// <summary>The certificate to show to agents, with its chain.</summary>
    public SslStreamCertificateContext ClientCertificate
    {
        get
        {
            lock (turn)
            {
                var now = time.GetUtcNow();
                if (client is { } known && now < known.Until)
                {
                    return known.Context;
                }

                var made = MakeClient(Current());
                client = (made, now + (Life / 2));
                return made;
            }
        }
    }

    /// <summary>What agents' <c>trusted_client_ca</c> must hold, in PEM: the authority in use and, while there is one, the next.</summary>
    public string Published()
    {
        lock (turn)
        {
            Current();
        }

        using var db = contexts.CreateDbContext();
        var all = db.AgentAuthorities.AsNoTracking().OrderBy(a => a.Id).Select(a => a.Certificate).ToList();
        return string.Join('\n', all.Select(der => PemEncoding.WriteString("CERTIFICATE", der))) + "\n";
    }

    /// <summary>Whether a newer authority is published beside the one in use.</summary>
    public bool HasNext
    {
        get
        {
            using var db = contexts.CreateDbContext();
            return db.AgentAuthorities.Count() > 1;
        }
    }

    /// <summary>Makes the next authority and publishes it; the present one stays in use. Refusal: <c>agents.authority.next</c> when there is one already.</summary>
    /// <param name="by">Who asked for it.</param>
    public Outcome<Done> Prepare(Person by)
    {
        lock (turn)
        {
            Current();
            using var db = contexts.CreateDbContext();
            if (db.AgentAuthorities.Count() > 1)
            {
                return Refusal.Conflict("agents.authority.next", "The next authority is published already.", "Give it to the agents, then retire the old one.");
            }

            Add(db, by, $"{by.Name} published the next certificate authority for talking to agents; the present one stays in use until it is retired.");
            db.SaveChanges();
            return Done.Value;
        }
    }

    /// <summary>Retires the authority in use: from now on the next one is. Refusal: <c>agents.authority.only</c> when there is no next one.</summary>
    /// <param name="by">Who asked for it.</param>
    public Outcome<Done> Retire(Person by)
    {
        lock (turn)
        {
            using var db = contexts.CreateDbContext();
            var all = db.AgentAuthorities.OrderBy(a => a.Id).ToList();
            if (all.Count < 2)
            {
                return Refusal.Conflict("agents.authority.only", "There is no other authority to use instead.", "Publish the next one first and give it to the agents.");
            }

            db.AgentAuthorities.Remove(all[0]);
            audit.Add(db, by, "agents.authority.retired", new AuditTarget("portal", all[0].Id, "agents CA"), $"{by.Name} retired the certificate authority for talking to agents; the next one is in use now.");
            db.SaveChanges();
            (client, server) = (null, null);
            return Done.Value;
        }
    }

    private AuthorityRecord Current()
    {
        using var db = contexts.CreateDbContext();
        if (db.AgentAuthorities.AsNoTracking().OrderBy(a => a.Id).FirstOrDefault() is { } known)
        {
            return known;
        }

        var made = Add(db, Person.Portal, "The certificate authority for talking to agents was made.");
        db.SaveChanges();
        return made;
    }

    private AuthorityRecord Add(PortalDbContext db, Person by, string sentence)
    {
        var now = time.GetUtcNow();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=Portal agents CA {now:yyyy-MM-dd HH:mm}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using var certificate = request.CreateSelfSigned(now.AddMinutes(-5), now + AuthorityLife);
        var record = new AuthorityRecord
        {
            Certificate = certificate.RawData,
            ProtectedKey = protection.CreateProtector(Purpose).Protect(key.ExportPkcs8PrivateKey()),
            CreatedAt = now,
        };
        db.AgentAuthorities.Add(record);
        audit.Add(db, by, "agents.authority.made", new AuditTarget("portal", record.Id, "agents CA"), sentence);
        return record;
    }

    /// <summary>A certificate for a TLS port of ours that hosts reach by addresses and names; made anew before it ends.</summary>
    public X509Certificate2 ServerCertificateFor(params IReadOnlyList<string> addresses)
    {
        var named = string.Join(' ', addresses);
        lock (turn)
        {
            var now = time.GetUtcNow();
            if (server is { } known && now < known.Until && known.Names == named)
            {
                return known.Certificate;
            }

            var made = Make(Current(), "portal registrar", ServerAuthentication, request =>
            {
                var names = new SubjectAlternativeNameBuilder();
                foreach (var address in addresses.Append("localhost").Append(Dns.GetHostName()).Distinct(StringComparer.OrdinalIgnoreCase))
                {
                    if (IPAddress.TryParse(address, out var ip))
                    {
                        names.AddIpAddress(ip);
                    }
                    else
                    {
                        names.AddDnsName(address);
                    }
                }

                request.CertificateExtensions.Add(names.Build());
            });
            server = (named, made, now + (Life / 2));
            return made;
        }
    }

    private SslStreamCertificateContext MakeClient(AuthorityRecord authority) => SslStreamCertificateContext.Create(
        Make(authority, "portal", ClientAuthentication, static _ => { }),
        new X509Certificate2Collection(X509CertificateLoader.LoadCertificate(authority.Certificate)),
        offline: true);

    private X509Certificate2 Make(AuthorityRecord authority, string name, string usage, Action<CertificateRequest> more)
    {
        var now = time.GetUtcNow();
        using var authorityKey = ECDsa.Create();
        authorityKey.ImportPkcs8PrivateKey(protection.CreateProtector(Purpose).Unprotect(authority.ProtectedKey), out _);
        using var bare = X509CertificateLoader.LoadCertificate(authority.Certificate);
        using var issuer = bare.CopyWithPrivateKey(authorityKey);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        more(request);
        using var signed = request.Create(issuer, now.AddMinutes(-5), now + Life, RandomNumberGenerator.GetBytes(16));
        using var withKey = signed.CopyWithPrivateKey(key);

        // A key that only lives in memory has to be loaded as one that TLS may use.
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
    }
}
