// The table of all modules. Only the rows in sight are in the document, so that it stays quick at any length.

const LINE = 32;

function columnsOf(model) {
  const { modules } = model;
  const metric = model.metrics[0]?.id ?? "wall";
  const timed = (id) => model.metrics.some((one) => one.id === id);
  const columns = [
    { id: "name", label: "Module", value: (i) => modules.name[i], text: (i) => visible(modules.name[i]), words: true },
    { id: "saves", label: "Saves", title: "What the program would save if nothing imported this module", unit: "time", value: (i) => modules.saves?.[i], bar: true },
    { id: "self", label: "Self", title: "Without what it imports", unit: "time", value: (i) => modules[metric][i] },
    { id: "total", label: "Total", title: "With what it was first to import", unit: "time", value: (i) => model.sums[metric]?.[i] },
  ];
  if (metric === "cpu" && timed("wall")) columns.push({ id: "wall", label: "Wall", title: "Own wall time", unit: "time", value: (i) => modules.wall[i] });
  if (timed("rss")) columns.push({ id: "rss", label: "Memory", title: "Own growth of resident memory", unit: "bytes", value: (i) => modules.rss[i] });
  if (timed("read")) columns.push({ id: "read", label: "Read", title: "Bytes read", unit: "bytes", value: (i) => modules.read[i] });
  columns.push({ id: "importers", label: "Importers", unit: "count", value: (i) => model.importers[i].length });
  columns.push({ id: "notes", label: "Notes", value: (i) => model.notes[i].length, text: (i) => model.notes[i].map(({ short }) => short).join(", "), words: true });
  return columns;
}

function createTable(model, store, { grid, count }) {
  const columns = columnsOf(model);
  const shown = { sort: "saves", down: true };
  if (!model.modules.saves) shown.sort = "self";
  const largest = Math.max(1, ...(model.modules.saves ?? [1]).map((value) => value || 0));
  let rows = [];
  let current = 0;

  const head = make("div", { role: "row", class: "head", "aria-rowindex": 1 });
  const body = make("div", { class: "body", role: "rowgroup", tabindex: -1 });
  const spacer = make("div", { class: "spacer", role: "presentation" });
  body.append(spacer);
  grid.append(make("div", { role: "rowgroup" }, head), body);
  grid.style.setProperty("--columns", columns.map(({ id, words }) => (id === "name" ? "minmax(220px, 3fr)" : words ? "minmax(90px, 1.4fr)" : "minmax(72px, 1fr)")).join(" "));

  function sortBy(id) {
    const words = columns.find((column) => column.id === id).id === "name";
    shown.down = shown.sort === id ? !shown.down : !words;
    shown.sort = id;
    refresh();
  }

  function showHead() {
    const active = document.activeElement?.dataset?.column;
    head.replaceChildren(...columns.map(({ id, label, title, words }) => {
      const sorted = shown.sort === id ? (shown.down ? "descending" : "ascending") : "none";
      const mark = { descending: " ↓", ascending: " ↑", none: "" }[sorted];
      const button = make("button", { type: "button", title, "data-column": id, onclick: () => sortBy(id) }, label + mark);
      return make("div", { role: "columnheader", "aria-sort": sorted, class: words ? "words" : "number" }, button);
    }));
    if (active) head.querySelector(`[data-column="${active}"]`)?.focus();
  }

  function cell(column, i) {
    const text = column.text ? column.text(i) : format(column.unit, column.value(i));
    const inner = make("span", { title: column.words ? text : undefined }, text);
    const attributes = { role: "gridcell", class: column.words ? "words" : "number" };
    if (column.bar) attributes.style = `--share:${Math.max(0, (100 * (column.value(i) || 0)) / largest).toFixed(1)}%`;
    if (column.bar) attributes.class += " bar";
    return make("div", attributes, inner);
  }

  function line(k) {
    const i = rows[k];
    const attributes = {
      role: "row",
      id: `row-${i}`,
      class: "line",
      "aria-rowindex": k + 2,
      "aria-selected": String(i === store.state.selected),
      style: `top:${k * LINE}px`,
      onclick: () => choose(k),
    };
    if (k === current) attributes["data-current"] = true;
    return make("div", attributes, columns.map((column) => cell(column, i)));
  }

  function paint() {
    const first = Math.max(0, Math.floor(body.scrollTop / LINE) - 4);
    const last = Math.min(rows.length, first + Math.ceil(body.clientHeight / LINE) + 8);
    const lines = [];
    for (let k = first; k < last; k++) lines.push(line(k));
    spacer.replaceChildren(...lines);
    if (rows[current] !== undefined) grid.setAttribute("aria-activedescendant", `row-${rows[current]}`);
  }

  function refresh() {
    const { found } = store.state;
    const { value } = columns.find(({ id }) => id === shown.sort);
    const sign = shown.down ? -1 : 1;
    rows = [...Array(model.count).keys()].filter((i) => !found || found.has(i));
    rows.sort((a, b) => {
      const [x, y] = [value(a) ?? -Infinity, value(b) ?? -Infinity];
      return (x < y ? -1 : x > y ? 1 : 0) * sign || a - b;
    });
    current = 0;
    body.scrollTop = 0;
    spacer.style.height = `${rows.length * LINE}px`;
    grid.setAttribute("aria-rowcount", rows.length + 1);
    grid.setAttribute("aria-colcount", columns.length);
    count.textContent = found ? `${formatCount(rows.length)} of ${formatCount(model.count)} modules` : `${formatCount(model.count)} modules`;
    showHead();
    paint();
  }

  function show(k) {
    if (k * LINE < body.scrollTop) body.scrollTop = k * LINE;
    if ((k + 1) * LINE > body.scrollTop + body.clientHeight) body.scrollTop = (k + 1) * LINE - body.clientHeight;
  }

  function choose(k) {
    if (!rows.length) return;
    current = Math.max(0, Math.min(rows.length - 1, k));
    show(current);
    store.set({ selected: rows[current] });
    paint();
  }

  body.addEventListener("scroll", paint);
  grid.addEventListener("keydown", (event) => {
    if (event.target.matches("button")) return;
    const page = Math.max(1, Math.floor(body.clientHeight / LINE) - 1);
    const steps = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page, Home: 0, End: rows.length - 1, Enter: current };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey) return;
    choose(steps[event.key]);
    event.preventDefault();
  });
  store.listen((changed) => {
    if (changed.has("found")) refresh();
    else if (changed.has("selected")) {
      const k = rows.indexOf(store.state.selected);
      if (k >= 0) current = k;
      paint();
    }
  });
  new ResizeObserver(paint).observe(body);
  refresh();
}
