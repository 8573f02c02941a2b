// Runs before anything is drawn: settles on light or dark, so that nothing flashes.
(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const choice = () => {
    try { return localStorage.getItem('portal-theme') ?? 'system'; } catch { return 'system'; }
  };
  const isDark = () => choice() === 'dark' || (choice() === 'system' && system.matches);
  const apply = () => {
    document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
    document.documentElement.dataset.themeChosen = choice();
    document.dispatchEvent(new CustomEvent('portal-theme', { detail: isDark() }));
  };
  system.addEventListener('change', apply);
  addEventListener('storage', apply);
  window.portalTheme = {
    isDark,
    choose(value) {
      try { localStorage.setItem('portal-theme', value); } catch { /* Without storage the choice lasts as long as the page. */ }
      apply();
    },
  };
  apply();
})();
