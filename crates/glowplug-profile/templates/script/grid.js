// A table of any length that stays quick: only the rows in sight are in the document.

const LINE = 32;

/**
 * Fills `grid`. A column is { id, label, title, unit, value(i), rank(i), text(i), words, bar }: `rank`, else `value`, sorts; `text` shows.
 * Words are left-aligned; the column `name` is the widest. `store.state` has `found` (a set of rows, or null for all) and `selected`.
 */
function createGrid({ grid, columns, length, sort, store, count, noun }) {
  const shown = { sort, down: true };
  const largest = new Map(columns.filter(({ bar }) => bar).map(({ id, value }) => {
    let most = 1;
    for (let i = 0; i < length; i++) most = Math.max(most, Math.abs(value(i) || 0));
    return [id, most];
  }));
  let rows = [];
  let current = 0;

  const head = make("div", { role: "row", class: "head", "aria-rowindex": 1 });
  const body = make("div", { class: "body", role: "rowgroup", tabindex: -1 });
  const spacer = make("div", { class: "spacer", role: "presentation" });
  body.append(spacer);
  grid.append(make("div", { role: "rowgroup" }, head), body);
  const width = ({ id, words }) => (id === "name" ? "minmax(220px, 3fr)" : words ? "minmax(90px, 1.4fr)" : "minmax(72px, 1fr)");
  grid.style.setProperty("--columns", columns.map(width).join(" "));
  grid.setAttribute("aria-colcount", columns.length);

  function sortBy(id) {
    shown.down = shown.sort === id ? !shown.down : id !== "name";
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
    const attributes = { role: "gridcell", class: column.words ? "words" : "number" };
    if (column.bar) {
      const value = column.value(i) || 0;
      attributes.class += value < 0 ? " bar less" : " bar";
      attributes.style = `--share:${((100 * Math.abs(value)) / largest.get(column.id)).toFixed(1)}%`;
    }
    return make("div", attributes, make("span", { title: column.words ? text : undefined }, text));
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
    else grid.removeAttribute("aria-activedescendant");
  }

  function refresh() {
    const { found } = store.state;
    const column = columns.find(({ id }) => id === shown.sort);
    const rank = column.rank ?? column.value;
    const sign = shown.down ? -1 : 1;
    rows = [];
    for (let i = 0; i < length; i++) if (!found || found.has(i)) rows.push(i);
    rows.sort((a, b) => {
      const [x, y] = [rank(a) ?? -Infinity, rank(b) ?? -Infinity];
      return (x < y ? -1 : x > y ? 1 : 0) * sign || a - b;
    });
    current = 0;
    body.scrollTop = 0;
    spacer.style.height = `${rows.length * LINE}px`;
    grid.setAttribute("aria-rowcount", rows.length + 1);
    count.textContent = found ? `${formatCount(rows.length)} of ${formatCount(length)} ${noun}` : `${formatCount(length)} ${noun}`;
    showHead();
    paint();
  }

  function choose(k) {
    if (!rows.length) return;
    current = Math.max(0, Math.min(rows.length - 1, k));
    if (current * LINE < body.scrollTop) body.scrollTop = current * LINE;
    if ((current + 1) * LINE > body.scrollTop + body.clientHeight) body.scrollTop = (current + 1) * LINE - body.clientHeight;
    store.set({ selected: rows[current] });
    paint();
  }

  body.addEventListener("scroll", paint);
  grid.addEventListener("keydown", (event) => {
    if (event.target.matches("button") || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(body.clientHeight / LINE) - 1);
    const steps = {
      ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page,
      Home: 0, End: rows.length - 1, Enter: current,
    };
    if (!(event.key in steps)) return;
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
