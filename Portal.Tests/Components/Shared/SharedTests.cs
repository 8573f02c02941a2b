using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Shared;
using Portal.Core;

namespace Portal.Tests.Components.Shared;

public sealed class SharedTests : PageTest
{
    [Theory]
    [InlineData(0.4, "now")]
    [InlineData(7, "7 s ago")]
    [InlineData(59.9, "59 s ago")]
    [InlineData(60, "1 min ago")]
    [InlineData(3600 * 5, "5 h ago")]
    [InlineData(86400 * 3, "3 d ago")]
    [InlineData(86400 * 800, "2 y ago")]
    [InlineData(-56, "in 56 s")]
    public void FromNow_SaysHowLongAgo(double secondsAgo, string words) =>
        Assert.Equal(words, Span.FromNow(Clock.GetUtcNow() - TimeSpan.FromSeconds(secondsAgo), Clock.GetUtcNow()));

    [Fact]
    public void RelativeTime_CarriesTheExactInstant()
    {
        var time = Render<RelativeTime>(p => p.Add(t => t.At, Clock.GetUtcNow() - TimeSpan.FromMinutes(4))).Find("time");

        Assert.Equal("4 min ago", time.TextContent);
        Assert.Equal("2026-11-23T11:56:00.000Z", time.GetAttribute("datetime"));
        Assert.Equal("2026-11-23 11:56:00 UTC", time.GetAttribute("title"));
        Assert.Equal("2026-11-23T11:56:00.000Z", time.QuerySelector("portal-time")!.GetAttribute("at"));
    }

    [Fact]
    public void RelativeTime_Short_LeavesOutAgo() =>
        Assert.Equal("4 min", Render<RelativeTime>(p => p.Add(t => t.At, Clock.GetUtcNow() - TimeSpan.FromMinutes(4)).Add(t => t.Short, true)).Find("time").TextContent);

    [Fact]
    public void RelativeTime_WithoutInstant_SaysNever() =>
        Assert.Equal("never", Render<RelativeTime>(p => p.Add(t => t.At, null)).Find("span").TextContent);

    [Fact]
    public void PageHead_HasTheOneHeading_AndSetsTheTitle()
    {
        var head = Render<PageHead>(p => p
            .Add(h => h.Title, "Hosts").Add(h => h.Sub, "12 hosts")
            .Add(h => h.Actions, (RenderFragment)(b => b.AddMarkupContent(0, "<button>Add host</button>"))));

        Assert.Equal("Hosts", head.Find("h1").TextContent.Trim());
        Assert.Equal("-1", head.Find("h1").GetAttribute("tabindex"));
        Assert.Equal("12 hosts", head.Find(".sub").TextContent);
        Assert.Equal("Add host", head.Find(".page-head-actions button").TextContent);
    }

    [Theory]
    [InlineData(RefusalKind.Forbidden, "tone-bad")]
    [InlineData(RefusalKind.Unavailable, "tone-old")]
    [InlineData(RefusalKind.NotFound, "tone-unknown")]
    public void RefusalAlert_SaysWhatAndWhatToDo(RefusalKind kind, string tone)
    {
        var alert = Render<RefusalAlert>(p => p.Add(a => a.Refusal, new Refusal("vm.name.taken", kind, "There is a VM of this name.", "Choose another.", "name"))).Find("[role=alert]");

        Assert.Equal("There is a VM of this name.", alert.QuerySelector(".alert-what")!.TextContent);
        Assert.Equal("Choose another.", alert.QuerySelector(".alert-remedy")!.TextContent);
        Assert.Contains("vm.name.taken", alert.TextContent, StringComparison.Ordinal);
        Assert.Contains(tone, alert.ClassName!, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusalAlert_WithoutRefusal_IsNothing() =>
        Assert.Empty(Render<RefusalAlert>(p => p.Add(a => a.Refusal, null)).Nodes);

    [Theory]
    [InlineData(5, 16, "31", "31 %")]
    [InlineData(0, 0, "0", "0 %")]
    [InlineData(20, 10, "100", "100 %")]
    public void Meter_SaysItsShare(double value, double max, string now, string text)
    {
        var meter = Render<Meter>(p => p.Add(m => m.Value, value).Add(m => m.Max, max).Add(m => m.Label, "Memory"));

        Assert.Equal(now, meter.Find("[role=meter]").GetAttribute("aria-valuenow"));
        Assert.Equal("Memory", meter.Find("[role=meter]").GetAttribute("aria-label"));
        Assert.Equal(text, meter.Find(".meter-text").TextContent);
    }

    [Theory]
    [InlineData("5f3a00112233445566778899aabbc1c1", "5f3a…c1")]
    [InlineData("5f3a", "5f3a")]
    public void Digest_IsShortToLookAt_AndWholeOnHoverAndCopy(string digest, string shown)
    {
        var copy = Render<Digest>(p => p.Add(d => d.Value, digest));

        Assert.Equal(shown, copy.Find("code").TextContent);
        Assert.Equal(digest, copy.Find("code").GetAttribute("title"));
        Assert.Equal(digest, copy.Find("button").GetAttribute("data-copy"));
        Assert.Equal("Copy digest", copy.Find("button").GetAttribute("aria-label"));
    }

    [Fact]
    public void KeyValue_WithoutValue_SaysSo() =>
        Assert.Equal("not known", Render<KeyValue>(p => p.Add(k => k.Label, "Serial number").Add(k => k.Value, "")).Find("dd").TextContent);

    [Fact]
    public void Empty_TeachesTheNextStep()
    {
        var empty = Render<Empty>(p => p.Add(e => e.Title, "No host matches").Add(e => e.Text, "Remove a filter.").AddChildContent("<button>Clear</button>"));

        Assert.Equal("No host matches", empty.Find(".empty-title").TextContent);
        Assert.Equal("Clear", empty.Find(".empty-actions button").TextContent);
    }

    [Theory]
    [InlineData(Tone.Ok)]
    [InlineData(Tone.Bad)]
    [InlineData(Tone.Old)]
    [InlineData(Tone.Unknown)]
    [InlineData(Tone.Info)]
    public void Tag_HasItsOwnSignBesidesTheColour(Tone tone)
    {
        var tag = Render<Tag>(p => p.Add(t => t.Tone, tone).Add(t => t.Text, "Word"));

        Assert.Equal("Word", tag.Find(".tag").TextContent.Trim());
        Assert.NotEmpty(tag.Find("svg path").GetAttribute("d")!);
    }

    [Fact]
    public void Signs_AreAllDifferent() =>
        Assert.Distinct(Enum.GetValues<Tone>().Select(t => t.Sign()));

    [Fact]
    public void LiveRegion_SaysTheSameSentenceTwice()
    {
        var region = Render<LiveRegion>();
        var announcer = Services.GetRequiredService<Announcer>();
        announcer.Say("12 hosts");
        region.WaitForAssertion(() => Assert.Equal("12 hosts", region.Find("[aria-live]").TextContent));
        announcer.Say("12 hosts");
        region.WaitForAssertion(() => Assert.Equal("12 hosts\u00a0", region.Find("[aria-live]").TextContent));
    }
}
