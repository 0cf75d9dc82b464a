// The table of all modules.

function columnsOf(model) {
  const { modules } = model;
  const metric = model.metrics[0]?.id ?? "wall";
  const known = (id) => model.metrics.some((one) => one.id === id);
  const columns = [{ id: "name", label: "Module", value: (i) => modules.name[i], text: (i) => visible(modules.name[i]), words: true }];
  const add = (id, label, unit, value, title, more) => columns.push({ id, label, unit, value, title, ...more });
  if (modules.saves) add("saves", "Saves", "time", (i) => modules.saves[i], "What the program would save if nothing imported this module", { bar: true });
  add("self", "Self", model.unitOf(metric), (i) => modules[metric]?.[i], "Without what it imports");
  add("total", "Total", model.unitOf(metric), (i) => model.sums[metric]?.[i], "With what it was first to import");
  if (metric === "cpu" && known("wall")) add("wall", "Wall", "time", (i) => modules.wall[i], "Own wall time");
  if (known("rss")) add("rss", "Memory", "bytes", (i) => modules.rss[i], "Own growth of resident memory");
  if (known("read")) add("read", "Read", "bytes", (i) => modules.read[i], "Bytes read");
  add("importers", "Importers", "count", (i) => model.importers[i].length);
  const notes = (i) => model.notes[i].map(({ short }) => short).join(", ");
  if (model.notes.some((list) => list.length)) columns.push({ id: "notes", label: "Notes", value: (i) => model.notes[i].length, text: notes, words: true });
  return columns;
}

function createTable(model, store, { grid, count }) {
  const sort = model.modules.saves ? "saves" : "self";
  createGrid({ grid, columns: columnsOf(model), length: model.count, sort, store, count, noun: "modules" });
}
