// The page of a profile: puts it together.

function notesOf(model) {
  return model.modules.name.map((_, i) => (model.modules.notes[i] ?? []).map((k) => model.noteKinds[k]));
}

function setUpSearch(model, store, { input, result, stage }) {
  let at = -1;
  input.addEventListener("input", () => store.set({ query: input.value }));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") store.set({ query: "" });
    if (event.key !== "Enter" || !store.state.found?.size) return;
    const { metric, found } = store.state;
    const ranked = [...found].sort((a, b) => model.sums[metric][b] - model.sums[metric][a]);
    at = (at + (event.shiftKey ? ranked.length - 1 : 1)) % ranked.length;
    store.set({ selected: ranked[at] });
    stage.zoom(ranked[at]);
  });
  store.listen((changed) => {
    if (!changed.has("query")) return;
    const { query, metric } = store.state;
    if (input.value !== query) input.value = query;
    at = -1;
    const found = search(model, query);
    const cost = found && [...found].reduce((sum, i) => sum + Math.max(0, model.modules[metric][i] || 0), 0);
    result.textContent = found ? `${formatCount(found.size)} found · ${format(model.unitOf(metric), cost)}` : "";
    store.set({ found });
  });
}

/** The process to show: that of the address, else that which imported most. Another one is shown by starting over. */
function chosenProcess(count, select) {
  const asked = Number(/^#process=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  const chosen = asked < count ? asked : Number(document.documentElement.dataset.main);
  for (const tiles of document.querySelectorAll("[data-process]")) tiles.hidden = Number(tiles.dataset.process) !== chosen;
  if (select) {
    select.value = String(chosen);
    select.addEventListener("change", () => {
      location.hash = `process=${select.value}`;
      location.reload();
    });
  }
  return chosen;
}

function showStart(time) {
  if (!time) return;
  const date = new Date(Number(time.dataset.unix) * 1000);
  time.dateTime = date.toISOString();
  time.textContent = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function showProfile() {
  const element = (id) => document.getElementById(id);
  const { processes } = JSON.parse(element("profile").textContent);
  const chosen = chosenProcess(processes.length, element("process"));
  const model = readModel(processes[chosen]);
  model.notes = notesOf(model);
  model.unitOf = (metric) => METRICS.find(({ id }) => id === metric)?.unit ?? "count";
  const metric = model.metrics[0]?.id ?? "wall";
  const store = createStore({ metric, view: "icicle", order: "time", selected: null, query: "", found: null, theme: "auto" });
  setUpTheme(store, element("theme"));
  showStart(element("started"));
  showPhases(model, element("phases"));
  showPackages(model, store, element("packages"));
  showFindings(model, store, element("findings"));
  showPath(model, element("path"));
  if (!model.metrics.length) {
    element("drawing").replaceChildren(make("p", { class: "empty" }, "Nothing that was imported has a cost."));
    return;
  }
  let announced = 0;
  const announce = (text) => {
    announced = (announced + 1) % 2;
    // The same words said twice would not be read twice.
    element("live").textContent = text + (announced ? "\u00a0" : "");
  };
  const stage = createStage(model, store, {
    canvas: element("canvas"), frame: element("frame"), tooltip: element("tooltip"), crumbs: element("crumbs"), announce,
  });
  createTable(model, store, { grid: element("table"), count: element("count") });
  createDetails(model, store, { panel: element("details"), zoomTo: stage.zoom });
  setUpSearch(model, store, { input: element("search"), result: element("result"), stage });
  setUpKeys(element("search"), element("help"));
  chooser(element("views"), [{ id: "icicle", label: "Icicle" }, { id: "flame", label: "Flame graph" }, { id: "treemap", label: "Treemap" }], "icicle", (view) => store.set({ view }));
  chooser(element("orders"), [{ id: "time", label: "In order" }, { id: "size", label: "By size" }], "time", (order) => store.set({ order }));
  const select = element("metric");
  select.replaceChildren(...model.metrics.map(({ id, label }) => make("option", { value: id }, label)));
  select.addEventListener("change", () => store.set({ metric: select.value }));
  element("help-open").addEventListener("click", () => element("help").showModal());
  store.listen((changed) => {
    element("orders").hidden = store.state.view === "treemap";
    if (changed.has("metric") || changed.has("theme")) showPackages(model, store, element("packages"));
  });
  document.documentElement.dataset.ready = "true";
}
