using FluentValidation;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>
/// What a revision may say. An empty draft passes here; it cannot be submitted (<see cref="BaselineContents.DemandsSomething"/>).
/// Rules name the field, for example <c>content.pcrs[1].events[4].digests[0]</c>.
/// </summary>
public sealed class ContentRules : AbstractValidator<BaselineContent>
{
    /// <summary>Most approved values of one PCR or one event.</summary>
    public const int MostDigests = 64;

    /// <summary>Most events of one PCR; a real log has well under two hundred in all.</summary>
    public const int MostEvents = 1024;

    /// <summary>Most events of a revision.</summary>
    public const int MostEventsInAll = 4096;

    /// <summary>Most digests of a revision.</summary>
    public const int MostDigestsInAll = 16384;

    /// <summary>Most clusters it may name.</summary>
    public const int MostClusters = 500;

    /// <summary>Longest label, in characters.</summary>
    public const int LongestLabel = 200;

    /// <summary>Longest note, in characters.</summary>
    public const int LongestNotes = 4000;

    /// <summary>Highest PCR there is (TCG PC Client Platform TPM Profile: 24 PCRs).</summary>
    public const int HighestPcr = 23;

    /// <summary>Most digests of a runtime baseline.</summary>
    public const int MostRuntimeDigests = 50_000;

    /// <summary>Longest path, in characters. Source: Linux, "PATH_MAX".</summary>
    public const int LongestPath = 4096;

    private const int ImaPcr = 10;
    private const uint NoAction = 0x00000003;

    /// <summary>The rules hold no state.</summary>
    public static ContentRules Instance { get; } = new();

    private ContentRules()
    {
        RuleFor(c => c).Custom((content, found) =>
        {
            if (PcrBanks.DigestSize(content.Bank) is not { } size)
            {
                found.Refuse(
                    "baseline.bank",
                    "content.bank",
                    $"{PcrBanks.Name(content.Bank)} is no bank a baseline may speak of; SHA-256, SHA-384 and SHA-512 are.",
                    "Choose SHA-256 or stronger.");
                return;
            }

            Pcrs(found, content, size);
            if (content.Runtime is { } runtime)
            {
                Runtime(found, content, runtime);
            }

            if (content.Clusters.Length > MostClusters)
            {
                found.Refuse("baseline.clusters.many", "content.clusters", $"It names more than {MostClusters} clusters.", "Name none, which means all of them.");
            }

            if (content.Notes.Length > LongestNotes || !Text.IsPlain(content.Notes))
            {
                found.Refuse("baseline.notes", "content.notes", $"The notes are longer than {LongestNotes} characters or hold control characters.", "Shorten or clean them.");
            }
        });
    }

    /// <summary>What is wrong with a content for a baseline of a kind; null when nothing is.</summary>
    public static Refusal? RefusalOf(BaselineContent content, BaselineKinds kind) => kind == BaselineKinds.Runtime == (content.Runtime is not null)
        ? Instance.Refusal(content)
        : Refusal.Invalid(
            "baseline.content.kind",
            "content",
            kind == BaselineKinds.Runtime ? "A runtime baseline approves files, and this content names none." : $"A {PolicyWords.Kinds(kind)} baseline approves PCRs, and this content approves files.",
            "Use content of the baseline's own kind.");

    private static void Runtime(ValidationContext<BaselineContent> found, BaselineContent content, RuntimeReference runtime)
    {
        const string Field = "content.runtime";
        if (content.Pcrs.Length > 0)
        {
            found.Refuse("baseline.runtime.pcrs", "content.pcrs", "A runtime baseline covers files and no PCR beside them.", "Cover the PCRs with a firmware or hypervisor baseline.");
        }

        if (runtime.DigestCount > MostRuntimeDigests)
        {
            found.Refuse("baseline.runtime.many", Field, $"It approves {runtime.DigestCount:N0} digests; at most {MostRuntimeDigests:N0} fit.", "Split it by scope, or leave out what hosts do not use.");
            return;
        }

        for (var i = 0; i < runtime.Files.Length; i++)
        {
            var (path, digests) = (runtime.Files[i].Path, runtime.Files[i].Digests);
            if (path.Length is 0 or > LongestPath || !Text.IsOneLine(path) || path.Contains(' ', StringComparison.Ordinal))
            {
                found.Refuse("baseline.runtime.path", $"{Field}.files[{i}].path", $"Path {i + 1} is empty, too long, or holds spaces or control characters.", "Write it as the kernel lists it: with an underscore for each space.");
                return;
            }

            if (digests.Length == 0)
            {
                found.Refuse("baseline.runtime.no_digest", $"{Field}.files[{i}].digests", $"No digest is approved for {path}.", "Give it at least one, or leave the path out.");
                return;
            }
        }

        if (runtime.Compile() is { Succeeded: false, Refusal: var why })
        {
            found.Refuse(why.Code, $"{Field}.{why.Field}", why.Sentence, why.Remedy);
        }
    }

    private static void Pcrs(ValidationContext<BaselineContent> found, BaselineContent content, int size)
    {
        var last = -1;
        for (var i = 0; i < content.Pcrs.Length; i++)
        {
            var (pcr, field) = (content.Pcrs[i], $"content.pcrs[{i}]");
            if (pcr.Pcr is < 0 or > HighestPcr)
            {
                found.Refuse("baseline.pcr.range", field + ".pcr", $"There is no PCR {pcr.Pcr}; they are numbered 0 to 23.", "Name a PCR between 0 and 23.");
            }
            else if (pcr.Pcr == last)
            {
                found.Refuse("baseline.pcr.twice", field + ".pcr", $"PCR {pcr.Pcr} is named twice.", "Say all of a PCR in one place.");
            }
            else if (pcr.Pcr < last)
            {
                found.Refuse("baseline.pcr.order", field + ".pcr", $"PCR {pcr.Pcr} comes after PCR {last}.", "Name PCRs in ascending order, each once.");
            }

            last = Math.Max(last, pcr.Pcr);
            Pcr(found, pcr, field, size);
        }

        if (content.Pcrs.Sum(p => p.Events.Length) > MostEventsInAll)
        {
            found.Refuse("baseline.events.many", "content.pcrs", $"It names more than {MostEventsInAll} events in all.", "Split it into several baselines.");
        }
        else if (content.Pcrs.Sum(p => p.Digests.Length + p.Events.Sum(e => e.Digests.Length)) > MostDigestsInAll)
        {
            found.Refuse("baseline.digests.many", "content.pcrs", $"It approves more than {MostDigestsInAll} digests in all.", "Split it into several baselines.");
        }
    }

    private static void Pcr(ValidationContext<BaselineContent> found, PcrReference pcr, string field, int size)
    {
        if (pcr.Digests.Length > 0 && pcr.Events.Length > 0)
        {
            found.Refuse("baseline.pcr.both", field, $"PCR {pcr.Pcr} has whole values and events; it is appraised one way.", "Keep either the values or the events.");
        }
        else if (pcr.Digests.Length == 0 && pcr.Events.Length == 0)
        {
            found.Refuse("baseline.pcr.empty", field, $"Nothing is said of PCR {pcr.Pcr}.", "Give it a value or events, or leave the PCR out.");
        }

        if (pcr.Pcr == ImaPcr && pcr.Digests.Length > 0)
        {
            found.Refuse(
                "baseline.pcr.ima",
                field + ".digests",
                "PCR 10 changes with every file IMA measures, so it has no one approved value.",
                "Leave PCR 10 out.");
        }

        Digests(found, pcr.Digests, field + ".digests", $"PCR {pcr.Pcr}", size);
        Label(found, pcr.Label, field + ".label", $"PCR {pcr.Pcr}");
        if (pcr.Events.Length > MostEvents)
        {
            found.Refuse("baseline.events.many", field + ".events", $"PCR {pcr.Pcr} has more than {MostEvents} events.", "Check where they came from; no firmware measures that much.");
            return;
        }

        for (var i = 0; i < pcr.Events.Length; i++)
        {
            Event(found, pcr.Events[i], $"{field}.events[{i}]", $"event {i + 1} of PCR {pcr.Pcr}", size);
        }
    }

    private static void Event(ValidationContext<BaselineContent> found, EventReference reference, string field, string where, int size)
    {
        if (reference.Type == NoAction)
        {
            found.Refuse("baseline.event.no_action", field + ".type", $"EV_NO_ACTION ({where}) is never extended into a PCR and proves nothing.", "Leave it out.");
        }

        if (reference.Digests.Length == 0)
        {
            found.Refuse("baseline.event.empty", field + ".digests", $"No digest is approved for {where}.", "Give it at least one, or leave the event out.");
        }

        Digests(found, reference.Digests, field + ".digests", where, size);
        Label(found, reference.Label, field + ".label", where);
    }

    private static void Digests(ValidationContext<BaselineContent> found, IReadOnlyList<string> digests, string field, string where, int size)
    {
        if (digests.Count > MostDigests)
        {
            found.Refuse("baseline.digests.many", field, $"More than {MostDigests} digests are approved for {where}.", "Retire what no host needs any more.");
            return;
        }

        for (var i = 0; i < digests.Count; i++)
        {
            if (digests[i].Length != size * 2 || !digests[i].All(c => c is (>= '0' and <= '9') or (>= 'a' and <= 'f')))
            {
                found.Refuse(
                    "baseline.digest",
                    $"{field}[{i}]",
                    $"A digest of {where} is not {size * 2} hexadecimal characters.",
                    "Paste the whole digest of the chosen bank.");
            }
            else if (Earlier(digests, i))
            {
                found.Refuse("baseline.digest.twice", $"{field}[{i}]", $"A digest of {where} is given twice.", "Keep it once.");
            }
        }
    }

    private static bool Earlier(IReadOnlyList<string> digests, int index) =>
        digests.Take(index).Contains(digests[index], StringComparer.Ordinal);

    private static void Label(ValidationContext<BaselineContent> found, string label, string field, string where)
    {
        if (label.Length > LongestLabel || !Text.IsOneLine(label))
        {
            found.Refuse(
                "baseline.label",
                field,
                $"The label of {where} is longer than {LongestLabel} characters or holds control characters.",
                "Shorten or clean it.");
        }
    }
}
