using MudBlazor;

namespace Portal.Components.Layout;

/// <summary>The one theme. The same colours are the variables of wwwroot-assets/css/portal.css; a test holds them together.</summary>
public static class PortalTheme
{
    private static readonly string[] Fonts = ["Inter Variable", "system-ui", "sans-serif"];

    public static MudTheme Theme { get; } = new()
    {
        PaletteLight = new PaletteLight
        {
            Primary = "#2f5bd8",
            PrimaryContrastText = "#ffffff",
            Secondary = "#57606a",
            Success = "#17763a",
            Warning = "#8a5a00",
            WarningContrastText = "#ffffff",
            Error = "#b42318",
            Info = "#2f5bd8",
            Background = "#f6f7f9",
            BackgroundGray = "#eceff2",
            Surface = "#ffffff",
            TextPrimary = "#1c2128",
            TextSecondary = "#57606a",
            TextDisabled = "#6e7781",
            ActionDefault = "#57606a",
            ActionDisabled = "#8c959f",
            LinesDefault = "#dfe3e8",
            LinesInputs = "#868f99",
            TableLines = "#dfe3e8",
            TableHover = "#2f5bd80f",
            Divider = "#dfe3e8",
            DividerLight = "#eceff2",
            OverlayDark = "#0d111766",
        },
        PaletteDark = new PaletteDark
        {
            Primary = "#79a6ff",
            PrimaryContrastText = "#0d1117",
            Secondary = "#9aa5b1",
            SecondaryContrastText = "#0d1117",
            Success = "#56d364",
            SuccessContrastText = "#0d1117",
            Warning = "#e3b341",
            WarningContrastText = "#0d1117",
            Error = "#ff7b72",
            ErrorContrastText = "#0d1117",
            Info = "#79a6ff",
            InfoContrastText = "#0d1117",
            Background = "#0d1117",
            BackgroundGray = "#22272e",
            Surface = "#161b22",
            TextPrimary = "#e6edf3",
            TextSecondary = "#9aa5b1",
            TextDisabled = "#768390",
            ActionDefault = "#9aa5b1",
            ActionDisabled = "#636e7b",
            LinesDefault = "#2d333b",
            LinesInputs = "#636e7b",
            TableLines = "#2d333b",
            TableHover = "#79a6ff14",
            Divider = "#2d333b",
            DividerLight = "#22272e",
            OverlayDark = "#000000a0",
        },
        Typography = new Typography
        {
            Default = new DefaultTypography { FontFamily = Fonts, FontSize = "0.875rem", LineHeight = "1.45", LetterSpacing = "normal" },
            Body1 = new Body1Typography { FontFamily = Fonts, FontSize = "0.875rem", LineHeight = "1.45", LetterSpacing = "normal" },
            Body2 = new Body2Typography { FontFamily = Fonts, FontSize = "0.8125rem", LineHeight = "1.45", LetterSpacing = "normal" },
            Button = new ButtonTypography { FontFamily = Fonts, FontSize = "0.8125rem", FontWeight = "550", LetterSpacing = "normal", TextTransform = "none" },
            Caption = new CaptionTypography { FontFamily = Fonts, FontSize = "0.78rem", LetterSpacing = "normal" },
            H6 = new H6Typography { FontFamily = Fonts, FontSize = "1.0625rem", FontWeight = "650", LetterSpacing = "normal" },
            Subtitle1 = new Subtitle1Typography { FontFamily = Fonts, FontSize = "0.9375rem", LetterSpacing = "normal" },
            Subtitle2 = new Subtitle2Typography { FontFamily = Fonts, FontSize = "0.8125rem", FontWeight = "600", LetterSpacing = "normal" },
        },
        LayoutProperties = new LayoutProperties { DefaultBorderRadius = "6px", AppbarHeight = "48px" },
    };
}
