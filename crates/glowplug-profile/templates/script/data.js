"use strict";
// What the profile says, as arrays by module, and what follows from it. Index -1 is the program itself.

const PROGRAM = -1;

const METRICS = [
  { id: "cpu", label: "CPU time", unit: "time" },
  { id: "wall", label: "Wall time", unit: "time" },
  { id: "rss", label: "Memory (RSS)", unit: "bytes" },
  { id: "alloc", label: "Python allocations", unit: "bytes" },
  { id: "read", label: "Bytes read", unit: "bytes" },
];

const PHASES = [
  { id: "find", label: "find" },
  { id: "load", label: "read" },
  { id: "unmarshal", label: "unmarshal" },
  { id: "compile", label: "compile" },
  { id: "body", label: "run body" },
  { id: "dlopen", label: "dlopen" },
  { id: "other", label: "other" },
];

/** The metrics that this profile has figures for. */
function availableMetrics(modules) {
  return METRICS.filter(({ id }) => modules[id] && modules[id].some((value) => value > 0));
}

/** The modules below each module and below the program, in the order of import. */
function childrenOf(parents) {
  const children = parents.map(() => []);
  const roots = [];
  parents.forEach((parent, i) => (parent === PROGRAM ? roots : children[parent]).push(i));
  return { children, roots };
}

/** Parents before children. */
function topDown({ children, roots }) {
  const order = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const i = stack.pop();
    order.push(i);
    for (let k = children[i].length - 1; k >= 0; k--) stack.push(children[i][k]);
  }
  return order;
}

/** Own figures plus those of all modules below. */
function cumulative(self, parents, order) {
  const sums = Float64Array.from(self, (value) => Math.max(0, value || 0));
  for (let k = order.length - 1; k >= 0; k--) {
    const parent = parents[order[k]];
    if (parent !== PROGRAM) sums[parent] += sums[order[k]];
  }
  return sums;
}

/** Who imports whom: for each module its importers and what it imports, as { module, line }. */
function adjacency(count, edges) {
  const importers = Array.from({ length: count }, () => []);
  const imports = Array.from({ length: count }, () => []);
  const fromProgram = [];
  for (let k = 0; k + 2 < edges.length; k += 3) {
    const [importer, imported, line] = [edges[k], edges[k + 1], edges[k + 2]];
    importers[imported].push({ module: importer, line });
    (importer === PROGRAM ? fromProgram : imports[importer]).push({ module: imported, line });
  }
  return { importers, imports, fromProgram };
}

/** The package that a module is shown with: the standard library as one, others by their first name. */
function groupOf(name, origin) {
  return origin === "stdlib" ? "standard library" : name.split(".", 1)[0];
}

function readModel(data) {
  const { modules } = data;
  const count = modules.name.length;
  const tree = childrenOf(modules.parent);
  const order = topDown(tree);
  const metrics = availableMetrics(modules);
  const sums = {};
  for (const { id } of metrics) sums[id] = cumulative(modules[id], modules.parent, order);
  const edges = adjacency(count, data.edges);
  const groups = modules.name.map((name, i) => groupOf(name, modules.origin[i]));
  const haystack = modules.name.map((name, i) => `${name}\n${modules.file[i] || ""}`.toLowerCase());
  return { ...data, count, ...tree, order, metrics, sums, ...edges, groups, haystack, ranks: {} };
}

/**
 * Breadth first from the program along imports, never entering `without`: for each module the edge that it was
 * reached by, or undefined where it cannot be reached.
 */
function reach(model, without) {
  const via = new Array(model.count);
  const queue = [];
  const enter = (from, { module, line }) => {
    if (module === without || via[module]) return;
    via[module] = { from, line };
    queue.push(module);
  };
  for (const edge of model.fromProgram) enter(PROGRAM, edge);
  for (let k = 0; k < queue.length; k++) {
    for (const edge of model.imports[queue[k]]) enter(queue[k], edge);
  }
  return via;
}

/** For each importer of a module the shortest way to it from the program, shortest first. */
function chainsTo(model, target, via) {
  const chains = [];
  for (const { module, line } of model.importers[target]) {
    const chain = [{ module: target, line }];
    let at = module;
    while (at !== PROGRAM && via[at]) {
      chain.push({ module: at, line: via[at].line });
      at = via[at].from;
    }
    if (at === PROGRAM) chains.push(chain.reverse());
  }
  return chains.sort((a, b) => a.length - b.length);
}

/** What is loaded only because of `target`: that which the program does not reach without it. */
function broughtIn(model, target, via) {
  const all = reach(model, undefined);
  const only = [];
  for (let i = 0; i < model.count; i++) if (i !== target && all[i] && !via[i]) only.push(i);
  return only;
}
