// What is known of one module: costs, phases, who imports it and where, the ways to it, what only it brings in.

/** A bar whose parts are told apart by colour and, below it, by words. */
function phaseBar(parts) {
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  if (!(total > 0)) return null;
  const shown = parts.filter(({ value }) => value > 0);
  return make(
    "div",
    { class: "phases" },
    make("div", { class: "bar", "aria-hidden": "true" }, shown.map(({ id, value }) => make("i", { class: `phase-${id}`, style: `flex-grow:${value}` }))),
    make("ul", {}, shown.map(({ id, label, value }) => make("li", { class: `phase-${id}` }, label, make("b", {}, formatTime(value)), make("span", {}, formatShare(value, total))))),
  );
}

function moduleButton(model, store, i, text) {
  if (i === PROGRAM) return make("span", { class: "program" }, "program");
  return make("button", { type: "button", class: "module", onclick: () => store.set({ selected: i }) }, text ?? visible(model.modules.name[i]));
}

/** A list of which the rest is shown on demand. */
function folded(items, limit) {
  const list = make("ul", { class: "plain" }, items.slice(0, limit));
  const rest = items.slice(limit);
  if (!rest.length) return [list];
  const more = make("button", { type: "button", class: "more", onclick: () => { list.append(...rest); more.remove(); } }, `${formatCount(rest.length)} more`);
  return [list, more];
}

function importersOf(model, store, i) {
  const items = model.importers[i].map(({ module, line }) => {
    const file = module === PROGRAM ? model.script : model.modules.file[module];
    return make("li", {}, moduleButton(model, store, module), make("code", {}, place(file, line)));
  });
  return section(`Imported by ${items.length || "nobody that was seen"}`, ...folded(items, 6));
}

function chainsOf(model, store, i, via) {
  const chains = chainsTo(model, i, via);
  if (!chains.length) return null;
  const items = chains.map((chain) => {
    const steps = chain.flatMap(({ module, line }) => [
      make("span", { class: "arrow", "aria-label": "imports" }, line ? `:${line} → ` : " → "),
      moduleButton(model, store, module),
    ]);
    return make("li", { class: "chain" }, make("span", { class: "program" }, "program"), steps);
  });
  return section(chains.length === 1 ? "The way to it" : `${chains.length} ways to it`, ...folded(items, 3));
}

function onlyBy(model, store, i, via) {
  const only = broughtIn(model, i, via);
  if (!only.length) return null;
  const metric = model.metrics[0]?.id;
  const cost = (k) => (metric ? model.modules[metric][k] || 0 : 0);
  only.sort((a, b) => cost(b) - cost(a));
  const items = only.map((k) => make("li", {}, moduleButton(model, store, k), make("b", {}, metric ? format(model.unitOf(metric), cost(k)) : "")));
  return section(`Would go with it: ${formatCount(only.length)} ${only.length === 1 ? "module" : "modules"}`, ...folded(items, 6));
}

function section(title, ...content) {
  return make("section", {}, make("h3", {}, title), content);
}

function figures(model, i) {
  const { modules } = model;
  const rows = [];
  const add = (label, unit, column) => {
    const value = modules[column]?.[i];
    if (value !== undefined && value !== null) rows.push([label, format(unit, value)]);
  };
  add("CPU, own", "time", "cpu");
  add("Wall, own", "time", "wall");
  add("Garbage collection", "time", "gc");
  add("Memory (RSS)", "bytes", "rss");
  add("Python allocations", "bytes", "alloc");
  add("Files opened", "count", "files");
  add("Bytes read", "bytes", "read");
  add("Minor faults", "count", "minor");
  add("Major faults", "count", "major");
  const [low, high] = modules.spread[i] ?? [0, 0];
  if (high) rows.push(["CPU, own, least to greatest", `${formatTime(low)} – ${formatTime(high)}`]);
  if (modules.thread[i]) rows.push(["Thread", visible(model.threads[modules.thread[i]] ?? "?")]);
  return make("dl", { class: "figures" }, rows.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]));
}

function createDetails(model, store, { panel, zoomTo }) {
  const intro = [...panel.childNodes];

  function show() {
    const i = store.state.selected;
    if (i === null) return panel.replaceChildren(...intro);
    const { modules } = model;
    const metric = model.metrics[0]?.id;
    const unit = model.unitOf(metric);
    const via = reach(model, i);
    const big = [
      ["Self", metric && format(unit, modules[metric][i])],
      ["Total", metric && format(unit, model.sums[metric][i])],
      ["Saves", modules.saves ? formatTime(modules.saves[i]) : undefined],
    ].filter(([, value]) => value !== undefined);
    const phases = PHASES.map(({ id, label }) => ({ id, label, value: modules[id]?.[i] || 0 }));
    panel.replaceChildren(...[
      make("header", {}, make("h2", {}, visible(modules.name[i])), make("code", { class: "file" }, place(modules.file[i]) || modules.kind[i])),
      model.notes[i].length ? make("ul", { class: "badges" }, model.notes[i].map(({ short, long, tone }) => make("li", { class: tone, title: long }, short))) : null,
      make("div", { class: "big" }, big.map(([label, value]) => make("div", {}, make("b", {}, value), make("span", {}, label)))),
      make("div", { class: "actions" },
        make("button", { type: "button", onclick: () => zoomTo(i) }, "Zoom to it"),
        make("button", { type: "button", onclick: () => store.set({ selected: null }) }, "Close")),
      phases.some(({ id, value }) => value > 0 && id !== "other") ? phaseBar(phases) : null,
      chainsOf(model, store, i, via),
      importersOf(model, store, i),
      onlyBy(model, store, i, via),
      section("Figures", figures(model, i)),
    ].filter(Boolean));
  }

  store.listen((changed) => changed.has("selected") && show());
}
