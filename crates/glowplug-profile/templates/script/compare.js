// The page of a difference: what changed by package and by module.

const VIEWS = [
  { id: "changed", label: "Changed" },
  { id: "added", label: "Added" },
  { id: "removed", label: "Removed" },
  { id: "all", label: "All" },
];

function formatChange(ns) {
  return ns ? `${ns > 0 ? "+" : "−"}${formatTime(Math.abs(ns))}` : "0";
}

/** Packages by how much they changed, dearer to the right, cheaper to the left of the middle. */
function showChanges(data, host) {
  const changes = new Map();
  data.name.forEach((name, i) => {
    const group = name.split(".", 1)[0];
    changes.set(group, (changes.get(group) ?? 0) + data.change[i]);
  });
  const ranked = [...changes].filter(([, change]) => change).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 12);
  if (!ranked.length) return host.append(make("li", { class: "empty" }, "Nothing changed."));
  const largest = Math.abs(ranked[0][1]);
  host.append(...ranked.map(([name, change]) => make("li", {},
    make("span", { class: "name", title: visible(name) }, visible(name)),
    make("span", { class: "axis", "aria-hidden": "true" }, make("i", { class: change > 0 ? "worse" : "better", style: `width:${((50 * Math.abs(change)) / largest).toFixed(1)}%` })),
    make("b", { class: change > 0 ? "worse" : "better" }, formatChange(change)))));
}

function selection(data, query, view) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = (i) => view === "all" || (view === "changed" ? data.status[i] !== "within noise" : data.status[i] === view);
  const found = new Set();
  data.name.forEach((name, i) => {
    if (wanted(i) && words.every((word) => name.toLowerCase().includes(word))) found.add(i);
  });
  return found;
}

function showComparison() {
  const element = (id) => document.getElementById(id);
  const data = JSON.parse(element("profile").textContent);
  const store = createStore({ selected: null, query: "", found: null, view: "changed", theme: "auto" });
  setUpTheme(store, element("theme"));
  showChanges(data, element("packages"));
  const view = data.status.some((status) => status !== "within noise") ? "changed" : "all";
  store.set({ view, found: selection(data, "", view) });
  const columns = [
    { id: "name", label: "Module", value: (i) => data.name[i], text: (i) => visible(data.name[i]), words: true },
    { id: "change", label: "Change", value: (i) => data.change[i], rank: (i) => Math.abs(data.change[i]), text: (i) => formatChange(data.change[i]), bar: true },
    { id: "a", label: "A", unit: "time", value: (i) => data.a[i] },
    { id: "b", label: "B", unit: "time", value: (i) => data.b[i] },
    { id: "status", label: "Verdict", value: (i) => data.status[i], text: (i) => data.status[i], words: true },
  ];
  createGrid({ grid: element("table"), columns, length: data.name.length, sort: "change", store, count: element("count"), noun: "modules" });
  chooser(element("views"), VIEWS, view, (chosen) => store.set({ view: chosen }));
  element("search").addEventListener("input", (event) => store.set({ query: event.target.value }));
  store.listen((changed) => {
    if (changed.has("query") || changed.has("view")) store.set({ found: selection(data, store.state.query, store.state.view) });
  });
  setUpKeys(element("search"), element("help"));
  document.documentElement.dataset.ready = "true";
}
