using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.E2E.Peers.Servers;
using Quartz;

namespace Portal.E2E.Load;

/// <summary>A Keylime verifier's one answer for ten thousand hosts, over TLS, read and applied to the committed database.</summary>
internal static class Servers
{
    private const int Number = 10_000;
    private const int Polls = 5;

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        await using var services = Compose(folder.File("portal.db"));
        if (await DatabaseOpening.OpenAsync(services.GetRequiredService<IDbContextFactory<PortalDbContext>>(), "Demo", ct) is { } refusal)
        {
            throw new InvalidOperationException(refusal.ToString());
        }

        using var authority = new SiteAuthority();
        await using var verifier = new Verifier(Number, Polls + 1);
        await verifier.StartAsync(authority.Server());
        var server = await FillAsync(services, verifier, authority, ct);
        var poll = services.GetRequiredService<ServerPoll>();
        await poll.PollAsync(server, ct);
        var (times, peaks) = (new List<TimeSpan>(), new List<double>());
        for (var i = 0; i < Polls; i++)
        {
            verifier.Next();
            var before = Machine.HeapMiB();
            using var peak = new Peak();
            var clock = Stopwatch.StartNew();
            await poll.PollAsync(server, ct);
            times.Add(clock.Elapsed);
            peaks.Add(peak.MiB - before);
            await AssertTrustedAsync(services, ct);
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        var usual = times.Order().ElementAt(Polls / 2);
        return
        [
            Figure.AtMost($"{Number:N0} hosts in one answer of a Keylime verifier ({verifier.Length / 1048576.0:0.0} MiB over TLS), to the committed database", usual.TotalSeconds, 2, "s", Figure.Text($", the median of {Polls}; slowest {times.Max().TotalSeconds:0.00} s, the first time {times[0].TotalSeconds:0.00} s")),
            Figure.AtMost("… most managed memory meanwhile, the answer included", peaks.Max(), 100, "MiB"),
        ];
    }

    private static ServiceProvider Compose(string database)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton(TimeProvider.System);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddDataProtection();
        collection.AddPortalStorage($"Data Source={database}");
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddKeylime();
        collection.AddOperations();
        collection.AddQuartz();
        return collection.BuildServiceProvider();
    }

    private static async Task<Guid> FillAsync(ServiceProvider services, Verifier verifier, SiteAuthority authority, CancellationToken ct)
    {
        var (certificate, key) = authority.Client();
        await using var db = services.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext();
        var server = new AttestationServer
        {
            Name = "keylime",
            Type = ServiceType.Keylime,
            Address = verifier.Address.ToString(),
            Authority = authority.Pem,
            ClientCertificate = certificate,
            ProtectedKey = services.GetRequiredService<ServerSecrets>().Protect(key),
        };
        db.AttestationServers.Add(server);
        var policy = TrustPolicy.Default with { Services = new ServiceSet(new ServiceChoice(server.Id, PolicyKeeper.Server)) };
        var cluster = Cluster.Create("served", policy);
        db.Clusters.Add(cluster);
        for (var i = 0; i < Number; i++)
        {
            var host = new Host { Name = Verifier.NameOf(i), Address = "x:", ClusterId = cluster.Id, Cpus = 8, Memory = 1L << 36 };
            db.Hosts.Add(host);
            db.HostsOnServers.Add(new HostOnServer { ServerId = server.Id, HostId = host.Id, Name = host.Name, BoundAt = DateTimeOffset.UtcNow, BoundBy = "load" });
        }

        await db.SaveChangesAsync(ct);
        await services.GetRequiredService<TrustFacts>().LoadAsync(ct);
        return server.Id;
    }

    private static async Task AssertTrustedAsync(ServiceProvider services, CancellationToken ct)
    {
        await using var db = services.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext();
        var newest = await db.Attestations.MaxAsync(a => a.VerifiedAt, ct);
        var trusted = await db.Attestations.CountAsync(a => a.Verdict == Verdict.Trusted && a.VerifiedAt == newest, ct);
        if (trusted != Number)
        {
            throw new InvalidOperationException($"{trusted} of {Number} hosts were trusted anew.");
        }
    }

    /// <summary>Answers from bytes made beforehand, so that what is measured is the portal.</summary>
    private sealed class Verifier : ContractServer
    {
        private readonly List<byte[]> answers = [];
        private int now;

        public Verifier(int agents, int turns)
        {
            for (var turn = 1; turn <= turns + 1; turn++)
            {
                answers.Add(Answer(agents, turn));
            }
        }

        public int Length => answers[0].Length;

        public static string NameOf(int i) => string.Create(CultureInfo.InvariantCulture, $"0773aa36-5231-551e-bac0-{i:x12}");

        /// <summary>It has verified each agent once more.</summary>
        public void Next() => now++;

        protected override async Task HandleAsync(HttpContext http)
        {
            http.Response.ContentType = "application/json";
            if (http.Request.Path == "/version")
            {
                await http.Response.WriteAsync("""{"code":200,"status":"Success","results":{"current_version":"2.6","supported_versions":["2.5","2.6"]}}""");
                return;
            }

            http.Response.ContentLength = answers[now].Length;
            await http.Response.Body.WriteAsync(answers[now]);
        }

        private static byte[] Answer(int agents, int turn)
        {
            var bytes = new ArrayBufferWriter<byte>(12 << 20);
            using var writer = new Utf8JsonWriter(bytes);
            writer.WriteStartObject();
            writer.WriteNumber("code", 200);
            writer.WriteString("status", "Success");
            writer.WriteStartObject("results");
            var policy = "{" + string.Join(", ", Enumerable.Range(0, 8).Select(pcr => $"\"{pcr}\": [\"{new string('a', 64)}\"]")) + ", \"mask\": \"0xff\"}";
            var success = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3600;
            for (var i = 0; i < agents; i++)
            {
                writer.WriteStartObject(NameOf(i));
                writer.WriteNumber("operational_state", 3);
                writer.WriteNull("v");
                writer.WriteString("ip", "10.0.0.1");
                writer.WriteNumber("port", 9002);
                writer.WriteString("tpm_policy", policy);
                writer.WriteString("meta_data", "{}");
                writer.WriteNumber("has_mb_refstate", 0);
                writer.WriteNumber("has_runtime_policy", 0);
                foreach (var (name, words) in new[] { ("accept_tpm_hash_algs", "sha512 sha384 sha256"), ("accept_tpm_encryption_algs", "ecc rsa"), ("accept_tpm_signing_algs", "ecschnorr rsassa") })
                {
                    writer.WriteStartArray(name);
                    foreach (var word in words.Split(' '))
                    {
                        writer.WriteStringValue(word);
                    }

                    writer.WriteEndArray();
                }

                writer.WriteString("hash_alg", "sha256");
                writer.WriteString("verifier_id", "default");
                writer.WriteNull("severity_level");
                writer.WriteNull("last_event_id");
                writer.WriteNumber("attestation_count", turn);
                writer.WriteNumber("last_received_quote", success + turn);
                writer.WriteNumber("last_successful_attestation", success + turn);
                writer.WriteString("attestation_status", "PASS");
                writer.WriteString("attestation_period", "2s");
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.Flush();
            return bytes.WrittenSpan.ToArray();
        }
    }

    /// <summary>The most managed memory in use while it lives.</summary>
    private sealed class Peak : IDisposable
    {
        private readonly CancellationTokenSource stop = new();
        private readonly Thread watching;
        private long most;

        public Peak()
        {
            watching = new Thread(Watch) { IsBackground = true };
            watching.Start();
        }

        public double MiB
        {
            get
            {
                Dispose();
                return most / 1048576.0;
            }
        }

        public void Dispose()
        {
            stop.Cancel();
            watching.Join();
        }

        private void Watch()
        {
            while (!stop.Token.WaitHandle.WaitOne(5))
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: false));
            }
        }
    }
}
