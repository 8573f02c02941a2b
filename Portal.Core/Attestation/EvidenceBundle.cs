using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>A bundle for a download.</summary>
/// <param name="FileName">Name to save it under.</param>
/// <param name="Content">A zip archive.</param>
public sealed record BundleFile(string FileName, byte[] Content);

/// <summary>Packs the latest evidence of a host so that anybody can check it with tpm2-tools, without this portal. Needs <see cref="Permission.Read"/>; audited.</summary>
/// <param name="contexts">The database.</param>
/// <param name="directory">Reads evidence.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">Where it is told.</param>
public sealed class EvidenceBundle(IDbContextFactory<PortalDbContext> contexts, AttestationDirectory directory, AccessControl access, AuditLog audit)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>Packs it, or says why there is nothing to pack.</summary>
    public async Task<Outcome<BundleFile>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var name = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.Name).SingleOrDefaultAsync(ct);
        var target = new AuditTarget("host", hostId, name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.Read, target, ct) is { } denied)
        {
            return denied;
        }

        if (name is null || await directory.EvidenceAsync(hostId, ct) is not { } found)
        {
            var refusal = name is null
                ? Refusal.NotFound("host", hostId.ToString())
                : Refusal.Conflict("evidence.none", $"{name} has not answered with evidence yet.", "Attest the host, then download.");
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }

        var row = await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct);
        var measurements = await MeasurementStore.TextOfAsync(db, found.Record, ct);
        var content = Pack(name, found.Record, found.Evidence with { Measurements = measurements is null ? null : new SentMeasurements(0, measurements) }, row);
        await audit.AppendAsync(caller.Person, "host.evidence.downloaded", target, $"{caller.Person.Name} downloaded the latest evidence of {name}.", AuditSeverity.Notice, found.Record.Digest is { } digest ? JsonSerializer.Serialize(new { digest }) : null, ct);
        return new BundleFile($"evidence-{name}-{found.Record.IssuedAt.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}.zip", content);
    }

    internal static byte[] Pack(string host, EvidenceRecord record, Evidence evidence, HostAttestation? row)
    {
        var bankName = ((TpmAlgorithm)record.Bank).DisplayName();
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create))
        {
            Add("quote.msg", record.Quote);
            Add("quote.sig", record.Signature);
            Add("nonce.txt", Encoding.ASCII.GetBytes(record.Nonce));
            Add("nonce-random.bin", record.NonceRandom);
            if (PcrBank.Create((TpmAlgorithm)evidence.Bank, evidence.Pcrs.Select(p => KeyValuePair.Create(p.Key, (ReadOnlyMemory<byte>)p.Value))).TryGet(out var bank, out _))
            {
                Add("pcrs.bin", SerializedPcrs.Write(PcrValues.Of(bank)));
            }

            Add("pcrs.txt", Encoding.UTF8.GetBytes(string.Concat(evidence.Pcrs.OrderBy(p => p.Key).Select(p => $"{p.Key,2}: {Convert.ToHexStringLower(p.Value)}\n"))));
            Add("ak.tpmt", record.AttestationKey);
            var hash = bankName;
            if (AttestationKey.Accept(record.AttestationKey).TryGet(out var key, out _))
            {
                using (key)
                {
                    hash = key.Hash.DisplayName();
                    Add("ak.pem", Encoding.ASCII.GetBytes(key.ToPem() + "\n"));
                }
            }

            if (evidence.EventLog is { } log)
            {
                Add("eventlog.bin", log);
            }

            if (evidence.Measurements is { } measurements)
            {
                Add("measurements.txt", measurements.Text);
            }

            Add("result.json", JsonSerializer.SerializeToUtf8Bytes(Result(host, record, row), Json));
            Add("README.txt", Encoding.UTF8.GetBytes(ReadMe(host, record, hash)));

            void Add(string name, byte[] content)
            {
                var entry = zip.CreateEntry(name);
                entry.LastWriteTime = record.IssuedAt.ToUniversalTime();
                using var stream = entry.Open();
                stream.Write(content);
            }
        }

        return memory.ToArray();
    }

    private static object Result(string host, EvidenceRecord record, HostAttestation? row) => new
    {
        Host = host,
        record.HostId,
        EvidenceDigest = record.Digest,
        NonceIssuedAt = record.IssuedAt.UtcDateTime,
        record.Purpose,
        record.Operations,
        FailedCheck = record.Failure,
        row?.Verdict,
        row?.VerdictSince,
        row?.VerifiedAt,
        row?.ValidUntil,
        row?.PolicyRevision,
        row?.Reason,
        Matched = row is null ? [] : JsonSerializer.Deserialize<List<string>>(row.Matched),
        Findings = AttestationDirectory.Findings(row?.Findings),
    };

    private static string ReadMe(string host, EvidenceRecord record, string hash)
    {
        var bank = ((TpmAlgorithm)record.Bank).DisplayName();
        var operations = record.Operations.Replace("-", "", StringComparison.Ordinal);
        return $"""
            Evidence of host {host}, for which a nonce was issued at {record.IssuedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC.
            Nothing here is secret and nothing needs the portal to be checked.

              quote.msg         what the TPM attested (TPMS_ATTEST)
              quote.sig         its signature (TPMT_SIGNATURE)
              ak.pem, ak.tpmt   the attestation key enrolled for the host, as PEM and as TPMT_PUBLIC
              nonce.txt         the nonce we sent; the quote must carry it
              nonce-random.bin  the random part of the nonce
              pcrs.bin          the quoted PCR values of bank {bank}, as tpm2_quote -F serialized writes them; pcrs.txt is the same to read
              eventlog.bin      the boot log the host sent, if it sent one (a claim: worth what its replay has in common with the PCRs)
              measurements.txt  the kernel's measurement list as far as the quoted PCR 10 vouches for it, if it was asked for
              result.json       what the portal concluded

            1. Is it this TPM's quote, over our nonce and these values? (tpm2-tools)

              tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -g {hash} -q $(od -An -tx1 -v nonce.txt | tr -d ' \n') -f pcrs.bin

              It prints the values and the signature and ends with exit code 0; with 1 where anything was changed.

            2. Was the nonce made for this host and purpose? Both lines must be equal:

              ( cat nonce-random.bin; printf '%s' '{record.HostId:N}|{record.Purpose}|{operations}' ) | sha256sum | cut -c1-32
              cat nonce.txt

            3. Does the boot log lead to the quoted values? Compare the values at its end with pcrs.txt:

              tpm2_eventlog eventlog.bin

            """;
    }
}
