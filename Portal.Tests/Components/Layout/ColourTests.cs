using System.Globalization;
using System.Text.RegularExpressions;
using MudBlazor;
using Portal.Components.Layout;

namespace Portal.Tests.Components.Layout;

/// <summary>Text is readable in both modes (WCAG 2.2, 1.4.3: 4.5 to 1), and the theme and the css name the same colours.</summary>
public sealed partial class ColourTests
{
    public static TheoryData<string, string, string> Pairs()
    {
        var pairs = new TheoryData<string, string, string>();
        foreach (var mode in new[] { "light", "dark" })
        {
            foreach (var ground in new[] { "bg", "card" })
            {
                foreach (var ink in new[] { "ink", "mut", "pri", "trusted", "untrusted", "stale", "unknown", "info" })
                {
                    pairs.Add(mode, ink, ground);
                }
            }

            foreach (var word in new[] { "trusted", "untrusted", "stale", "unknown", "info" })
            {
                pairs.Add(mode, word, $"{word}-bg");
                pairs.Add(mode, "mut", $"{word}-bg");
            }

            pairs.Add(mode, "on-pri", "pri");
            pairs.Add(mode, "nav-ink", "nav");
            pairs.Add(mode, "nav-ink", "nav-hover");
            pairs.Add(mode, "nav-badge-ink", "nav-badge");
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Text_IsReadable(string mode, string ink, string ground)
    {
        var colours = Css(mode);
        Assert.True(Contrast(colours[ink], colours[ground]) >= 4.5, $"{ink} on {ground}, {mode}: {Contrast(colours[ink], colours[ground]):0.00}");
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public void Theme_AndCss_NameTheSameColours(string mode)
    {
        var css = Css(mode);
        Palette theme = mode == "dark" ? PortalTheme.Theme.PaletteDark : PortalTheme.Theme.PaletteLight;
        Assert.Equal(css["bg"], theme.Background.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["card"], theme.Surface.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["ink"], theme.TextPrimary.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["mut"], theme.TextSecondary.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["pri"], theme.Primary.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["on-pri"], theme.PrimaryContrastText.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["trusted"], theme.Success.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["untrusted"], theme.Error.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["stale"], theme.Warning.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
        Assert.Equal(css["line"], theme.LinesDefault.ToString(MudBlazor.Utilities.MudColorOutputFormats.Hex));
    }

    private static Dictionary<string, string> Css(string mode)
    {
        var text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Assets", "portal.css"));
        var dark = text.IndexOf(":root[data-theme=\"dark\"]", StringComparison.Ordinal);
        var colours = Variables(text[..dark]);
        if (mode == "dark")
        {
            foreach (var (name, value) in Variables(text[dark..text.IndexOf('}', dark)]))
            {
                colours[name] = value;
            }
        }

        return colours;
    }

    private static Dictionary<string, string> Variables(string text) =>
        Variable().Matches(text).ToDictionary(
            m => m.Groups["name"].Value,
            m => m.Groups["value"].Value is { Length: 3 } s ? $"#{s[0]}{s[0]}{s[1]}{s[1]}{s[2]}{s[2]}" : $"#{m.Groups["value"].Value}",
            StringComparer.Ordinal);

    private static double Contrast(string one, string other)
    {
        var (a, b) = (Luminance(one), Luminance(other));
        return (Math.Max(a, b) + 0.05) / (Math.Min(a, b) + 0.05);
    }

    private static double Luminance(string hex)
    {
        double Channel(int at)
        {
            var c = int.Parse(hex.AsSpan(at, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) / 255.0;
            return c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
        }

        return (0.2126 * Channel(1)) + (0.7152 * Channel(3)) + (0.0722 * Channel(5));
    }

    [GeneratedRegex("--(?<name>[a-z-]+): #(?<value>[0-9a-f]{6}|[0-9a-f]{3});", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Variable();
}
