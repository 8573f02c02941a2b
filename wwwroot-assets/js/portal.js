// What is better done in the browser: times in the user's zone, copying, the theme, reconnecting.
window.portal = (() => {
  // The layout listens for light and dark; a closed circuit is dropped at the first call that fails.
  const watchDark = listener => {
    const tell = e => listener.invokeMethodAsync('DarkChanged', e.detail)
      .catch(() => document.removeEventListener('portal-theme', tell));
    document.addEventListener('portal-theme', tell);
    return portalTheme.isDark();
  };

  const region = document.createElement('div');
  region.className = 'sr-only';
  region.setAttribute('aria-live', 'polite');
  document.body.append(region);
  const say = words => {
    region.textContent = '';
    setTimeout(() => { region.textContent = words; }, 50);
  };

  const copy = async button => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    button.classList.add('copied');
    const label = button.getAttribute('aria-label');
    button.setAttribute('aria-label', button.dataset.copied);
    say(button.dataset.copied);
    setTimeout(() => { button.classList.remove('copied'); button.setAttribute('aria-label', label); }, 1600);
  };

  document.addEventListener('click', e => {
    const target = e.target instanceof Element ? e.target : null;
    if (target?.closest('.skip-link')) { e.preventDefault(); e.stopPropagation(); document.getElementById('content').focus(); return; }
    const copying = target?.closest('[data-copy]');
    if (copying) { e.preventDefault(); e.stopPropagation(); copy(copying); return; }
    const theme = target?.closest('button[data-theme-choice]');
    if (theme) { portalTheme.choose(theme.dataset.themeChoice); return; }
    const filling = target?.closest('[data-fill-user]');
    if (filling) {
      document.getElementById('user-name').value = filling.dataset.fillUser;
      document.getElementById('password').value = filling.dataset.fillPassword;
      document.getElementById('sign-in-button').focus();
      return;
    }
    if (target?.closest('[data-reconnect]')) location.reload();
  }, true);

  // Text of an instant. Kept in a shadow root, so that it and the server's own rendering never touch the same node.
  const units = [[60, 's', 1], [3600, 'min', 60], [86400, 'h', 3600], [31536000, 'd', 86400], [Infinity, 'y', 31536000]];
  const span = seconds => {
    const length = Math.abs(seconds);
    const [, word, size] = units.find(([limit]) => length < limit);
    return `${Math.floor(length / size)} ${word}`;
  };
  const two = n => String(n).padStart(2, '0');
  const day = d => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const clock = d => `${two(d.getHours())}:${two(d.getMinutes())}`;
  const exact = d => `${day(d)} ${clock(d)}:${two(d.getSeconds())} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
  const words = (at, form) => {
    const seconds = (Date.now() - at) / 1000;
    switch (form) {
      case 'short': return span(seconds);
      case 'clock': return day(at) === day(new Date()) ? clock(at) : `${day(at)} ${clock(at)}`;
      case 'full': return `${day(at)} ${clock(at)}`;
      default: return Math.abs(seconds) < 1 ? 'now' : seconds < 0 ? `in ${span(seconds)}` : `${span(seconds)} ago`;
    }
  };

  const shown = new Set();
  customElements.define('portal-time', class extends HTMLElement {
    static observedAttributes = ['at', 'form'];
    #text = this.attachShadow({ mode: 'open' }).appendChild(document.createTextNode(''));
    connectedCallback() { shown.add(this); this.refresh(); }
    disconnectedCallback() { shown.delete(this); }
    attributeChangedCallback() { this.refresh(); }
    refresh() {
      const at = new Date(this.getAttribute('at'));
      if (isNaN(at)) return;
      const text = words(at, this.getAttribute('form'));
      if (this.#text.data !== text) this.#text.data = text;
      const whole = exact(at);
      if (this.title !== whole) this.title = whole;
    }
  });
  setInterval(() => { if (!document.hidden) shown.forEach(t => t.refresh()); }, 1000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) shown.forEach(t => t.refresh()); });

  return { watchDark };
})();
