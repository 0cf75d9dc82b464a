// Controls that both pages have: choices, theme, keys.

/** A row of buttons of which one is chosen; the arrow keys move along it. */
function chooser(host, entries, current, choose) {
  const buttons = entries.map(({ id, label }) => {
    const on = id === current;
    const button = make("button", { type: "button", role: "radio", "aria-checked": String(on), tabindex: on ? 0 : -1, "data-value": id }, label);
    button.addEventListener("click", () => pick(id));
    return button;
  });
  function pick(id) {
    for (const button of buttons) {
      const on = button.dataset.value === id;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    choose(id);
  }
  host.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    pick(next.dataset.value);
    event.preventDefault();
  });
  host.replaceChildren(...buttons);
}

/** Where a file may not keep anything, the choice lasts as long as the page. */
function remembered(value) {
  try {
    if (value !== undefined) localStorage.setItem("glowplug-theme", value);
    return localStorage.getItem("glowplug-theme");
  } catch {
    return null;
  }
}

function setUpTheme(store, button) {
  const names = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
    button.setAttribute("aria-label", names[theme]);
    button.title = names[theme];
    store.set({ theme: `${theme}/${currentTheme()}` });
  };
  const order = ["auto", "light", "dark"];
  const first = remembered();
  apply(order.includes(first) ? first : "auto");
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    remembered(next);
    apply(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(document.documentElement.dataset.theme));
}

function setUpKeys(input, help) {
  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") input.focus();
    else if (event.key === "?") help?.showModal();
    else return;
    event.preventDefault();
  });
}
