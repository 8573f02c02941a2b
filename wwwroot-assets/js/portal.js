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
    if (target?.closest('[data-reconnect]')) { location.reload(); return; }
    const opening = target?.closest('[data-opens]');
    if (opening) toggleMenu(opening);
  }, true);

  // Menus are native popovers: they close by Escape or a click elsewhere by themselves. We place them and move in them.
  let opener = null;
  const place = (menu, anchor) => {
    const a = anchor.getBoundingClientRect(), m = menu.getBoundingClientRect();
    const below = a.bottom + 4, above = a.top - m.height - 4;
    menu.style.left = `${Math.max(8, Math.min(a.right - m.width, innerWidth - m.width - 8))}px`;
    menu.style.top = `${below + m.height <= innerHeight - 8 || above < 8 ? Math.max(8, Math.min(below, innerHeight - m.height - 8)) : above}px`;
  };
  const items = menu => [...menu.querySelectorAll('[role=menuitem], input:not(:disabled), a[href]')];
  const openMenu = (menu, anchorId) => {
    const anchor = document.getElementById(anchorId);
    if (!menu || !anchor) return;
    opener = anchor;
    if (!menu.matches(':popover-open')) menu.showPopover();
    place(menu, anchor);
    items(menu)[0]?.focus();
  };
  const toggleMenu = button => {
    const menu = document.getElementById(button.dataset.opens);
    if (menu?.matches(':popover-open')) { menu.hidePopover(); return; }
    button.id ||= `opens-${button.dataset.opens}`;
    openMenu(menu, button.id);
  };
  document.addEventListener('toggle', e => {
    if (e.newState === 'closed' && e.target.classList?.contains('menu') && (document.activeElement === document.body || e.target.contains(document.activeElement))) opener?.focus();
  }, true);
  document.addEventListener('click', e => {
    const item = e.target instanceof Element ? e.target.closest('.menu [role=menuitem]:not([aria-disabled])') : null;
    // After the page has heard of it.
    if (item) setTimeout(() => item.closest('.menu')?.hidePopover());
  });
  document.addEventListener('keydown', e => {
    const target = e.target instanceof Element ? e.target : null;
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!target || (!step && e.key !== 'Home' && e.key !== 'End')) return;
    const menu = target.closest('.menu[role=menu]');
    if (menu) {
      const all = items(menu), at = all.indexOf(target);
      all[step ? (at + step + all.length) % all.length : e.key === 'Home' ? 0 : all.length - 1]?.focus();
      e.preventDefault();
      return;
    }
    // From the name in one row to the name in the next.
    const row = step && target.matches('.row-link') ? target.closest('tr') : null;
    const next = row && (step > 0 ? row.nextElementSibling : row.previousElementSibling)?.querySelector('.row-link');
    if (next) { next.focus(); e.preventDefault(); }
  });
  const toTop = element => { if (element) element.scrollTop = 0; };

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
      case 'due': if (seconds > -1) return 'due now'; return `in ${span(seconds)}`;
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

  // A field that was refused.
  const focus = id => document.getElementById(id)?.focus();

  return { watchDark, openMenu, toTop, focus };
})();
