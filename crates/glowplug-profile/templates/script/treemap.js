// A treemap of packages: a module is in the package that its name says, whoever imports it. Areas are own costs.

const HEADER = 17;

/** Packages and modules by name; each node has the sum of what is below it, largest children first. */
function packageTree(model, metric) {
  const nodes = [{ name: "all imports", module: PROGRAM, parent: -1, children: [], own: 0, value: 0, depth: 0 }];
  const known = new Map();
  const add = (name) => {
    if (known.has(name)) return known.get(name);
    const dot = name.lastIndexOf(".");
    const parent = dot > 0 ? add(name.slice(0, dot)) : 0;
    const id = nodes.length;
    known.set(name, id);
    nodes.push({ name, module: undefined, parent, children: [], own: 0, value: 0, depth: nodes[parent].depth + 1 });
    nodes[parent].children.push(id);
    return id;
  };
  const homes = new Int32Array(model.count);
  for (let i = 0; i < model.count; i++) {
    const id = add(model.modules.name[i]);
    // A name that was loaded twice has one place; the first one is shown there.
    if (nodes[id].module === undefined) nodes[id].module = i;
    homes[i] = id;
    nodes[id].own += Math.max(0, model.modules[metric][i] || 0);
  }
  // A package is always made before what is in it.
  for (let id = nodes.length - 1; id >= 0; id--) {
    nodes[id].value += nodes[id].own;
    if (id > 0) nodes[nodes[id].parent].value += nodes[id].value;
  }
  for (const node of nodes) node.children.sort((a, b) => nodes[b].value - nodes[a].value);
  return { nodes, homes };
}

/** Worst proportion of a row of areas along a side. */
function worst(row, side) {
  const sum = row.reduce((total, area) => total + area, 0);
  const [most, least] = [Math.max(...row), Math.min(...row)];
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}

/** Squarified treemap (Bruls, Huizing, van Wijk 2000): `items` are { id, value }, largest first. */
function squarify(items, box, emit) {
  const total = items.reduce((sum, { value }) => sum + value, 0);
  if (!(total > 0)) return;
  const scale = (box.width * box.height) / total;
  let { x, y, width, height } = box;
  let k = 0;
  while (k < items.length && width > 0.5 && height > 0.5) {
    const side = Math.min(width, height);
    const row = [items[k].value * scale];
    let next = k + 1;
    while (next < items.length) {
      const wider = [...row, items[next].value * scale];
      if (worst(wider, side) > worst(row, side)) break;
      row.push(items[next++].value * scale);
    }
    const thickness = row.reduce((sum, area) => sum + area, 0) / side;
    let along = 0;
    for (let n = 0; n < row.length; n++) {
      const length = row[n] / thickness;
      const placed = width >= height
        ? { x, y: y + along, width: thickness, height: length }
        : { x: x + along, y, width: length, height: thickness };
      emit(items[k + n].id, placed);
      along += length;
    }
    if (width >= height) [x, width] = [x + thickness, width - thickness];
    else [y, height] = [y + thickness, height - thickness];
    k = next;
  }
}

function createTreemap(model) {
  let tree = null;
  let focus = 0;
  let size = { width: 0, height: 0 };
  let boxes = new Map();

  function lay() {
    boxes = new Map();
    const place = (id, box) => {
      boxes.set(id, box);
      const node = tree.nodes[id];
      if (!node.children.length || box.width < 26 || box.height < HEADER + 8) return;
      const items = node.children.map((child) => ({ id: child, value: tree.nodes[child].value }));
      if (node.own > 0) items.push({ id: -1, value: node.own });
      items.sort((a, b) => b.value - a.value);
      const inside = { x: box.x + 2, y: box.y + HEADER, width: box.width - 4, height: box.height - HEADER - 2 };
      squarify(items.filter(({ value }) => value > 0), inside, (child, placed) => child >= 0 && place(child, placed));
    };
    place(focus, { x: 0, y: 0, width: size.width, height: size.height });
  }

  return {
    rebuild({ metric }) {
      const was = tree?.nodes[focus].name;
      tree = packageTree(model, metric);
      focus = Math.max(0, tree.nodes.findIndex(({ name }) => name === was));
    },
    measure(width) {
      size = { width, height: 540 };
      lay();
      return size.height;
    },
    draw(context, style) {
      context.clearRect(0, 0, size.width, size.height);
      for (const [id, box] of boxes) {
        const { name, module, value, depth, parent } = tree.nodes[id];
        const label = id === 0 || id === focus ? name : name.slice(tree.nodes[parent].name.length * (parent > 0)).replace(/^\./, "");
        style.box(context, { ...box, module: id === 0 ? PROGRAM : module, group: name, label: visible(label), value, nested: depth });
      }
    },
    hit(x, y) {
      let found;
      for (const [id, box] of boxes) {
        if (x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height) found = id;
      }
      return found;
    },
    box: (id) => boxes.get(id) ?? { x: 0, y: 0, width: 0, height: 0 },
    step(id, direction) {
      if (direction === "down") return tree.nodes[id].children[0] ?? id;
      if (direction === "up") return Math.max(0, tree.nodes[id].parent);
      if (id === 0) return id;
      const siblings = tree.nodes[tree.nodes[id].parent].children;
      return siblings[siblings.indexOf(id) + (direction === "left" ? -1 : 1)] ?? id;
    },
    nodeOf: (module) => (module === PROGRAM ? 0 : tree.homes[module]),
    moduleOf: (id) => (id === 0 ? PROGRAM : tree.nodes[id].module),
    valueOf: (id) => tree.nodes[id].value,
    path(id) {
      const path = [];
      for (let at = id; at > 0; at = tree.nodes[at].parent) path.unshift(at);
      return [0, ...path];
    },
    labelOf: (id) => visible(tree.nodes[id].name),
    get focus() {
      return focus;
    },
    zoom(id) {
      focus = id;
      return () => {};
    },
  };
}
