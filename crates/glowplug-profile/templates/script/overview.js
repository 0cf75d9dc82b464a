// The parts above the drawing: where the time goes, what to do, the search path.

function showPhases(model, host) {
  const sum = (id) => (model.modules[id] ?? []).reduce((total, value) => total + Math.max(0, value || 0), 0);
  const phases = PHASES.map(({ id, label }) => ({ id, label, value: sum(id) })).filter(({ value }) => value > 0);
  // Where it is not known at all there is nothing to tell apart.
  if (phases.some(({ id }) => id !== "other")) host.append(phaseBar(phases));
}

/** Packages by their own cost; each is a button that searches for it. */
function showPackages(model, store, host) {
  const { metric } = store.state;
  const theme = currentTheme();
  const ranked = rankGroups(model, metric).filter(({ value }) => value > 0);
  const total = ranked.reduce((sum, { value }) => sum + value, 0);
  const top = ranked.slice(0, 8);
  const unit = model.unitOf(metric);
  const row = ({ name, value, rank }) => {
    const width = `${((100 * value) / top[0].value).toFixed(1)}%`;
    const search = name === "standard library" ? null : name;
    const content = [
      make("span", { class: "name" }, visible(name)),
      make("span", { class: "track", "aria-hidden": "true" }, make("i", { style: `width:${width};background:${groupColour(rank, theme)}` })),
      make("b", {}, format(unit, value)),
      make("span", { class: "share" }, formatShare(value, total)),
    ];
    return make("li", {}, search
      ? make("button", { type: "button", title: `Search for ${search}`, onclick: () => store.set({ query: store.state.query === search ? "" : search }) }, content)
      : make("div", {}, content));
  };
  host.replaceChildren(...top.map(row));
  const rest = ranked.slice(8);
  if (rest.length) {
    const value = rest.reduce((sum, one) => sum + one.value, 0);
    host.append(row({ name: `${formatCount(rest.length)} more packages`, value, rank: Infinity }));
    host.lastChild.replaceChildren(make("div", {}, [...host.lastChild.firstChild.childNodes]));
  }
}

function findingItem(model, store, finding, largest) {
  const width = `${Math.max(1, (100 * (finding.saves || 0)) / largest).toFixed(1)}%`;
  const places = finding.places.slice(0, 4).map(({ file, line, text }) => make("li", {}, make("code", {}, place(file, line)), text ? make("code", { class: "source" }, visible(text)) : null));
  const title = finding.module === null
    ? make("span", { class: "title" }, visible(finding.title))
    : make("button", { type: "button", class: "module title", onclick: () => store.set({ selected: finding.module }) }, visible(finding.title));
  return make("li", {},
    make("div", { class: "top" },
      make("span", { class: `tag tag-${finding.tag}` }, finding.action),
      title,
      finding.saves ? make("b", {}, formatTime(finding.saves)) : null),
    make("div", { class: "track", "aria-hidden": "true" }, make("i", { style: `width:${width}` })),
    make("p", {}, visible(finding.text)),
    places.length ? make("ul", { class: "places" }, places) : null);
}

function showFindings(model, store, host) {
  if (!model.findings.length) {
    host.append(make("p", { class: "empty" }, model.noFindings));
    return;
  }
  const largest = Math.max(1, ...model.findings.map(({ saves }) => saves || 0));
  const items = model.findings.map((finding) => findingItem(model, store, finding, largest));
  host.append(...folded(items, 5));
  host.querySelector("ul").className = "findings";
}

function showPath(model, host) {
  if (!model.path.length) return;
  const rows = model.path.map(({ entry, lookups, found, cost, wasted }) => make("tr", { class: found === 0 && "wasted" },
    make("td", {}, make("code", {}, visible(entry))),
    make("td", { class: "number" }, format("count", lookups)),
    make("td", { class: "number" }, format("count", found)),
    make("td", { class: "number" }, format("time", cost)),
    make("td", { class: "number" }, format("time", wasted))));
  const head = make("tr", {}, ["Entry", "Lookups", "Found", "Cost", "Of it for nothing"].map((label, k) => make("th", { scope: "col", class: k && "number" }, label)));
  host.append(make("table", {}, make("thead", {}, head), make("tbody", {}, rows)));
  host.hidden = false;
}
