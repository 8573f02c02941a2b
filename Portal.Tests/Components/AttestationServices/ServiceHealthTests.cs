using System.Diagnostics.Metrics;
using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Components.Attestation;
using Portal.Components.AttestationServices;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;
using Portal.Telemetry;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

/// <summary>Heartbeats of servers where they are told: on the Overview, in what needs attention, in metrics.</summary>
public sealed class ServiceHealthTests : ServicePageTest
{
    [Fact]
    public async Task Overview_TellsWhoVerifiedLast_AndWhoIsDown()
    {
        var id = await NamedAsync();
        As(TrustedPool.Auditor);
        var card = Render<HealthCard>();
        var row = Plain(card.FindAll("table")[1].QuerySelector("tbody tr")!);
        Assert.StartsWith("keylime-a", row, StringComparison.Ordinal);
        Assert.EndsWith("every 10 s Answers", row, StringComparison.Ordinal);

        await FailAsync(id);

        await EventuallyAsync(card, () => Assert.Contains("Down since", Plain(card.FindAll("table")[1]), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Overview_OfAClusterThatOnlyServersVerify_PromisesNoRound()
    {
        var id = await NamedAsync();
        await NameAsync(new ServiceSet(new ServiceChoice(id, PolicyKeeper.Server)));
        Pool.Time.Advance(TimeSpan.FromHours(1));
        As(TrustedPool.Auditor);

        var row = Plain(Render<HealthCard>().FindAll("table")[0].QuerySelector("tbody tr")!);

        Assert.EndsWith("at its servers' pace 1 0", row, StringComparison.Ordinal);
        Assert.DoesNotContain("late", row, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overview_WithoutServers_SpeaksOfTheVerifierOfOurOwnOnly()
    {
        await AddAsync();
        As(TrustedPool.Auditor);

        Assert.Contains("Verified by the portal's own verifier, cluster by cluster.", Plain(Render<HealthCard>().Find("section")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attention_OnAServerThatIsDown_IsOneLine_UntilItIsBack()
    {
        var id = await NamedAsync();
        Assert.Empty(await LinesAsync(TrustedPool.Administrator));

        await FailAsync(id);

        var line = Assert.Single(await LinesAsync(TrustedPool.Administrator));
        Assert.Equal("The attestation service keylime-a does not answer", line.What);
        Assert.Contains("Nothing listens where keylime-a should; the host it verifies runs stale, and nothing is moved", line.Why, StringComparison.Ordinal);
        Assert.Equal(($"/settings/services/{id}", "Look why"), (line.Href, line.Action));
        Script.IsDown = false;
        await PollAsync(id);
        Assert.Empty(await LinesAsync(TrustedPool.Administrator));
    }

    [Theory]
    [InlineData(PublicationState.Drifted, "keylime-a was changed behind our back")]
    [InlineData(PublicationState.Failed, "What is approved in prod-a is not published to keylime-a")]
    [InlineData(PublicationState.Refused, "What is approved in prod-a is not published to keylime-a")]
    [InlineData(PublicationState.Waiting, null)]
    [InlineData(PublicationState.Verified, null)]
    public async Task Attention_OnPublication_OnlyWhereSomebodyMustAct(PublicationState state, string? what)
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id, PolicyKeeper.Portal);
        await using (var db = Pool.Database())
        {
            db.Publications.Add(new Publication { ClusterId = Pool.Cluster, ServerId = id, State = state, Sentence = "Why so." });
            await db.SaveChangesAsync(Pool.Ct);
        }

        var lines = await LinesAsync(TrustedPool.Administrator);

        Assert.Equal(what is null ? [] : [(what, "Why so")], lines.Select(l => (l.What, l.Why)));
    }

    [Fact]
    public async Task Attention_OnAChangeThatWaits_IsForWhoMayConfirmIt()
    {
        var id = await AddAsync();
        TrustedPool.Expect(await Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(id, 1, ServedPool.Words("keylime-a", "https://elsewhere.example.com:8881")), Pool.Ct));

        Assert.Equal(["A change of the attestation service keylime-a waits for you"], (await LinesAsync(TrustedPool.Administrator)).Select(l => l.What));
        Assert.Empty(await LinesAsync(TrustedPool.Author));
        Assert.Empty(await LinesAsync(TrustedPool.Auditor));
    }

    [Fact]
    public async Task Metrics_HaveOneSeriesPerServerThatAClusterNames()
    {
        await AddAsync("unnamed");
        var id = await NamedAsync();
        using var meters = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using var metrics = new ServiceMetrics(
            Pool.Get<ServiceDirectory>(), Pool.Get<ServerHealth>(), Pool.Get<IChangeFeed>(), meters.GetRequiredService<IMeterFactory>(), Pool.Time, NullLogger<ServiceMetrics>.Instance);
        await metrics.StartAsync(Pool.Ct);
        var read = new Dictionary<string, (double Value, string Service)>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            // Other tests of this process have meters of the same name.
            if (instrument.Meter.Name == ServiceMetrics.MeterName && ReferenceEquals(instrument.Meter.Scope, meters.GetRequiredService<IMeterFactory>()))
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => read[instrument.Name] = (value, (string)tags.ToArray().Single(t => t.Key == "service").Value!));
        listener.Start();
        await VerifyAsync(id);
        Pool.Time.Advance(TimeSpan.FromSeconds(7));

        await Portal.Tests.Api.DemoApi.UntilAsync(() =>
        {
            listener.RecordObservableInstruments();
            return Task.FromResult(read.Count == 5);
        });

        Assert.All(read.Values, r => Assert.Equal("keylime-a", r.Service));
        Assert.Equal((1, 7, 7, 0), (read["portal.attestation.service.up"].Value, read["portal.attestation.service.answer.age"].Value, read["portal.attestation.service.evidence.age"].Value, read["portal.attestation.service.error.ratio"].Value));
        await FailAsync(id);
        listener.RecordObservableInstruments();
        Assert.Equal(0, read["portal.attestation.service.up"].Value);
        Assert.InRange(read["portal.attestation.service.error.ratio"].Value, 0.3, 0.7);
        await metrics.StopAsync(Pool.Ct);
    }

    private async Task<Guid> NamedAsync()
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id);
        await BindAsync(id, "kvm-a01", "there-1");
        await VerifyAsync(id);
        return id;
    }

    private async Task FailAsync(Guid id)
    {
        Script.IsDown = true;
        await PollAsync(id);
        await PollAsync(id);
    }

    private Task<IReadOnlyList<AttentionLine>> LinesAsync(Caller caller)
    {
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        return ServiceAttention.FindAsync(Services, caller, Pool.Ct);
    }
}
