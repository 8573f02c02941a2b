using System.Globalization;
using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;
using Portal.Core.Tpm;

namespace Portal.E2E.Load;

/// <summary>
/// Checks of one quote, and whole appraisals, per second and core beside OpenSSL's bare verify. Both take turns and count processor time,
/// and the best turn of each counts: what else the machine does slows all of them alike.
/// </summary>
internal static class Quotes
{
    private const int Turns = 6;
    private const string Nonce = "abcdefghijklmnopqrstuvwxyz012345";
    private static readonly TimeSpan TurnLength = TimeSpan.FromMilliseconds(400);

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        using var folder = new TemporaryFolder();
        using var state = new SimulationState(folder.File("simulation.db"));
        var (images, time) = (new BootImages(), TimeProvider.System);
        var attesters = new SimulatedAttesterChannel(state, images, time);
        var fleet = new SimulatedFleet(state, attesters, new SimulationOptions { Hosts = 2, Clusters = 1 }, time);

        // Keys of simulated hosts take turns: the first is RSA, the second ECDSA.
        var policy = new AppraisalPolicy(References.Approved(fleet), TimeSpan.FromHours(1), TimeSpan.FromHours(1));
        var rsa = await Subject.OfAsync(attesters, fleet.Hosts[0], policy, ct);
        var ecc = await Subject.OfAsync(attesters, fleet.Hosts[1], policy, ct);
        var events = images.Of(fleet.Hosts[0].Booted).EventCount;
        (string Name, Subject Subject, string Algorithm, double Check, double Appraisal)[] kinds =
        [
            ("RSA-2048", rsa, "rsa2048", 0.75, 0.15),
            ("ECDSA P-256", ecc, "ecdsap256", 0.85, 0.35),
        ];
        foreach (var (_, subject, _, _, _) in kinds)
        {
            subject.WarmUp();
        }

        var figures = new List<Figure>();
        foreach (var (name, subject, algorithm, check, appraisal) in kinds)
        {
            double openSsl = 0, checks = 0, known = 0, unknown = 0;
            for (var turn = 0; turn < Turns; turn++)
            {
                openSsl = Math.Max(openSsl, await OpenSsl.VerifiesAsync(algorithm, ct));
                checks = Math.Max(checks, Rate(subject.Check));
                known = Math.Max(known, Rate(subject.Appraise));
                unknown = Math.Max(unknown, Rate(subject.AppraiseAnotherLog));
                ct.ThrowIfCancellationRequested();
            }

            figures.Add(Figure.Beside($"quote checks, {name}, one core", checks, openSsl, check));
            figures.Add(Figure.Beside($"appraisals, {name}, one core, log of {events.ToString(CultureInfo.InvariantCulture)} events as on other hosts", known, openSsl, appraisal));
            figures.Add(Figure.Beside($"appraisals, {name}, one core, every log another", unknown, openSsl, appraisal));
        }

        return figures;
    }

    private static double Rate(Action once)
    {
        var (done, from) = (0, Machine.Cpu);
        TimeSpan spent;
        do
        {
            for (var i = 0; i < 256; i++)
            {
                once();
            }

            done += 256;
            spent = Machine.Cpu - from;
        }
        while (spent < TurnLength);
        return done / spent.TotalSeconds;
    }

    /// <summary>A host's evidence, ready to be checked over and over.</summary>
    private sealed class Subject(AttestationKey key, Evidence evidence, QuoteRequest request, AppraisalPolicy policy)
    {
        private readonly PcrSelection selection = PcrSelection.Of((TpmAlgorithm)request.Bank, [.. request.Pcrs]);
        private readonly byte[] nonce = Encoding.ASCII.GetBytes(Nonce);
        private readonly byte[] values = [.. request.Pcrs.SelectMany(pcr => evidence.Pcrs[pcr])];
        private readonly byte[] changing = WithNote(evidence.EventLog!);
        private uint note;

        public static async Task<Subject> OfAsync(SimulatedAttesterChannel attesters, SimulatedHost host, AppraisalPolicy policy, CancellationToken ct)
        {
            var endpoint = new HostEndpoint(host.Id, host.Name, host.Address, null);
            var identity = await attesters.IdentifyAsync(endpoint, ct) ?? throw new InvalidOperationException("The simulated host is silent.");
            var key = AttestationKey.Accept(identity.AttestationKey).TryGet(out var accepted, out var refusal) ? accepted : throw new InvalidOperationException(refusal.Message);
            var request = new QuoteRequest(Nonce, policy.Bank, policy.Pcrs, WithEventLog: true);
            return await attesters.QuoteAsync(endpoint, request, ct) is ChannelAnswer.Answered(var evidence)
                ? new Subject(key, evidence, request, policy)
                : throw new InvalidOperationException("The simulated host gives no evidence.");
        }

        /// <summary>Until the runtime has compiled everything as well as it will.</summary>
        public void WarmUp()
        {
            for (var i = 0; i < 20; i++)
            {
                Rate(Check, 100);
                Rate(Appraise, 100);
                Rate(AppraiseAnotherLog, 100);
                Thread.Sleep(20);
            }
        }

        /// <summary>From bytes: values, structure, nonce, signature, digest.</summary>
        public void Check()
        {
            if (!PcrValues.FromConcatenated(selection, values).TryGet(out var given, out _)
                || !QuoteCheck.Verify(key, evidence.Quote, evidence.Signature, nonce, selection, given).TryGet(out _, out _))
            {
                throw new InvalidOperationException("A good quote was refused.");
            }
        }

        public void Appraise() => Appraise(evidence);

        /// <summary>A log nobody sent before that replays to the same PCRs: only a note in it, which extends nothing, differs.</summary>
        public void AppraiseAnotherLog()
        {
            BitConverter.TryWriteBytes(changing.AsSpan(changing.Length - sizeof(uint)), ++note);
            Appraise(evidence with { EventLog = changing });
        }

        private void Appraise(Evidence given)
        {
            var (valid, failure) = EvidenceCheck.Check(key, given, Nonce, request);
            if (valid is null || Appraiser.Appraise(valid, policy.Set).Verdict != Verdict.Trusted)
            {
                throw new InvalidOperationException($"A good host was found untrusted: {failure}");
            }
        }

        private static void Rate(Action once, int times)
        {
            for (var i = 0; i < times; i++)
            {
                once();
            }
        }

        /// <summary>The log with an EV_NO_ACTION of four bytes after it, digests zero as such events have them.</summary>
        private static byte[] WithNote(byte[] log)
        {
            if (!EventLog.Parse(log).TryGet(out var parsed, out var refusal))
            {
                throw new InvalidOperationException(refusal.Message);
            }

            using var longer = new MemoryStream();
            using var writer = new BinaryWriter(longer);
            writer.Write(log);
            writer.Write(6u);
            writer.Write((uint)EventType.NoAction);
            writer.Write((uint)parsed.Banks.Length);
            foreach (var bank in parsed.Banks)
            {
                writer.Write((ushort)bank.Algorithm);
                writer.Write(new byte[bank.DigestSize]);
            }

            writer.Write((uint)sizeof(uint));
            writer.Write(0u);
            return longer.ToArray();
        }
    }
}
