// The tree of imports as an icicle (the program on top) or as a flame graph (the program at the bottom).

const ROW = 21;

/** Left and right end of each module in units of the metric, and its depth; the program spans all, at depth 0. */
function layTree(model, metric, order) {
  const sums = model.sums[metric];
  const left = new Float64Array(model.count);
  const depth = new Int32Array(model.count);
  const arranged = (list) => (order === "size" ? [...list].sort((a, b) => sums[b] - sums[a]) : list);
  const place = (list, start, level) => {
    let at = start;
    for (const i of arranged(list)) {
      left[i] = at;
      depth[i] = level;
      at += sums[i];
    }
    return at;
  };
  const total = place(model.roots, 0, 1);
  for (const i of model.order) place(model.children[i], left[i], depth[i] + 1);
  return { left, depth, sums, total };
}

function createFlame(model) {
  let tree = null;
  let rows = [];
  let size = { width: 0, height: 0 };
  let upward = false;
  let domain = [0, 1];
  let focus = PROGRAM;
  let pick = [];

  const spanOf = (i) => (i === PROGRAM ? [0, tree.total] : [tree.left[i], tree.left[i] + tree.sums[i]]);
  const depthOf = (i) => (i === PROGRAM ? 0 : tree.depth[i]);
  const parentOf = (i) => model.modules.parent[i];
  const childrenIn = (i) => (i === PROGRAM ? model.roots : model.children[i]);
  const sideways = (i, step) => {
    const siblings = [...childrenIn(parentOf(i))].sort((a, b) => tree.left[a] - tree.left[b]);
    const shown = siblings.filter((k) => tree.sums[k] > 0 || k === i);
    return shown[shown.indexOf(i) + step] ?? i;
  };

  function rebuild({ metric, order, view }) {
    upward = view === "flame";
    tree = layTree(model, metric, order);
    rows = [[PROGRAM]];
    for (const i of model.order) (rows[tree.depth[i]] ||= []).push(i);
    for (const row of rows.slice(1)) row.sort((a, b) => tree.left[a] - tree.left[b]);
    domain = spanOf(focus);
  }

  /** Rows that hold something at least a pixel wide. */
  function depthShown([a, b]) {
    const pixel = (b - a) / Math.max(1, size.width);
    let deepest = depthOf(focus);
    for (let level = deepest + 1; level < rows.length; level++) {
      const seen = rows[level].some((i) => {
        const [l, r] = spanOf(i);
        return r > a && l < b && r - l >= pixel;
      });
      if (!seen) break;
      deepest = level;
    }
    return deepest + 1;
  }

  const rowTop = (level) => (upward ? size.height - (level + 1) * ROW : level * ROW);

  function draw(context, style) {
    const [a, b] = domain;
    const scale = size.width / Math.max(b - a, 1e-9);
    pick = [];
    context.clearRect(0, 0, size.width, size.height);
    rows.forEach((row, level) => {
      const top = rowTop(level);
      if (top < -ROW || top > size.height) return;
      const boxes = [];
      for (const i of row) {
        const [l, r] = spanOf(i);
        if (r <= a || l >= b) continue;
        const x = Math.max(0, (l - a) * scale);
        const width = Math.min(size.width, (r - a) * scale) - x;
        if (width < 0.35) continue;
        boxes.push({ x, width, node: i });
        style.box(context, { x, y: top, width, height: ROW, module: i, label: style.name(i), value: r - l });
      }
      pick[level] = boxes;
    });
  }

  return {
    rebuild,
    draw,
    measure(width) {
      size = { width, height: 0 };
      size.height = Math.max(8, depthShown(spanOf(focus))) * ROW + 1;
      return size.height;
    },
    hit(x, y) {
      const level = Math.floor((upward ? size.height - y : y) / ROW);
      return pick[level]?.find((box) => x >= box.x && x <= box.x + box.width)?.node;
    },
    box(i) {
      const [a, b] = domain;
      const [l, r] = spanOf(i);
      const scale = size.width / Math.max(b - a, 1e-9);
      return { x: (l - a) * scale, width: (r - l) * scale, y: rowTop(depthOf(i)), height: ROW };
    },
    step(i, direction) {
      const down = upward ? "up" : "down";
      if (direction === "left" || direction === "right") {
        return i === PROGRAM ? i : sideways(i, direction === "left" ? -1 : 1);
      }
      if (direction !== down) return i === PROGRAM ? i : parentOf(i);
      const below = childrenIn(i).filter((k) => tree.sums[k] > 0);
      return below.length ? below.reduce((best, k) => (tree.sums[k] > tree.sums[best] ? k : best)) : i;
    },
    nodeOf: (module) => module,
    moduleOf: (node) => node,
    valueOf: (i) => (i === PROGRAM ? tree.total : tree.sums[i]),
    path(i) {
      const path = [];
      for (let at = i; at !== PROGRAM; at = parentOf(at)) path.unshift(at);
      return [PROGRAM, ...path];
    },
    labelOf: (i) => (i === PROGRAM ? "all imports" : visible(model.modules.name[i])),
    get focus() {
      return focus;
    },
    /** Prepares a zoom; the result moves from the old span (0) to the new one (1). */
    zoom(i) {
      const from = domain;
      focus = i;
      const to = spanOf(i);
      return (t) => {
        domain = [from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t];
      };
    },
  };
}
