// The drawing: one canvas, the pointer, the keyboard, the zoom. What is drawn is a view's (flame.js, treemap.js).

const GLIDE_MS = 170;
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/** As much of a name as there is room for; its end says more than its beginning. */
function shorten(label, room) {
  if (label.length <= room) return label;
  let at = label.indexOf(".");
  while (at >= 0 && label.length - at - 1 >= room) at = label.indexOf(".", at + 1);
  return at >= 0 ? `…${label.slice(at + 1)}` : `${label.slice(label.lastIndexOf(".") + 1).slice(0, room - 1)}…`;
}

/** Paints boxes in the colours of their packages; what a search does not find fades. */
function createStyle(model, store) {
  const ranks = (model.ranks[store.state.metric] ??= new Map(rankGroups(model, store.state.metric).map(({ name, rank }) => [name, rank])));
  const theme = currentTheme();
  const ink = INK[theme];
  const found = store.state.found;
  const parts = (model.parts ??= partNumbers(model.modules.name));
  const colours = new Map();
  let letter = 0;
  const fill = (module, group) => {
    if (module === PROGRAM) return ink.base;
    const name = module === undefined ? group.split(".", 1)[0] : model.groups[module];
    if (found && !(module !== undefined && found.has(module))) return ink.faded;
    const part = partOf(module === undefined ? group : model.modules.name[module]);
    const key = `${name}/${part}`;
    if (!colours.has(key)) colours.set(key, shade(groupColour(ranks.get(name) ?? Infinity, theme), parts.get(part) ?? 0, theme));
    return colours.get(key);
  };
  return {
    name: (i) => (i === PROGRAM ? "all imports" : visible(model.modules.name[i])),
    begin(context) {
      context.font = `11.5px ${FONT}`;
      context.textBaseline = "middle";
      letter = context.measureText("m").width;
    },
    box(context, { x, y, width, height, module, group, label, value, nested }) {
      context.fillStyle = fill(module, group);
      const gap = width > 3 ? 1 : 0;
      context.fillRect(x, y, width - gap, height - 1);
      if (nested) {
        context.strokeStyle = ink.line;
        context.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), Math.max(0, height - 1));
      }
      const room = Math.floor((width - 10) / letter);
      if (room < 3 || height < 12) return;
      const full = `${label}  ${format(model.unitOf(store.state.metric), value)}`;
      const text = full.length <= room ? full : shorten(label, room);
      context.fillStyle = ink.text;
      context.globalAlpha = found && module !== PROGRAM && !found.has(module) ? 0.45 : 1;
      context.fillText(text, x + 5, y + (nested !== undefined ? 9 : height / 2));
      context.globalAlpha = 1;
    },
    outline(context, box, strong) {
      context.strokeStyle = strong ? ink.hit : ink.mark;
      context.lineWidth = strong ? 2.5 : 1.5;
      context.strokeRect(box.x + 1, box.y + 1, Math.max(1, box.width - 2.5), box.height - 2.5);
      context.lineWidth = 1;
    },
  };
}

function createStage(model, store, { canvas, frame, tooltip, crumbs, announce }) {
  const views = { tree: createFlame(model), treemap: createTreemap(model) };
  const context = canvas.getContext("2d");
  let style = createStyle(model, store);
  let cursor = PROGRAM;
  let hovered;
  let glide = null;

  const view = () => (store.state.view === "treemap" ? views.treemap : views.tree);

  function resize() {
    const width = Math.max(200, frame.clientWidth);
    const height = view().measure(width);
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.height = `${height}px`;
    canvas.style.width = `${width}px`;
    context.setTransform(density, 0, 0, density, 0, 0);
    paint();
  }

  function paint() {
    style.begin(context);
    view().draw(context, style);
    const selected = store.state.selected;
    if (selected !== null) style.outline(context, view().box(view().nodeOf(selected)), true);
    if (document.activeElement === canvas) style.outline(context, view().box(cursor), true);
    else if (hovered !== undefined) style.outline(context, view().box(hovered), false);
  }

  function rebuild() {
    style = createStyle(model, store);
    view().rebuild(store.state);
    cursor = view().nodeOf(store.state.selected ?? PROGRAM);
    hovered = undefined;
    resize();
    showCrumbs();
    if (store.state.view === "flame") frame.scrollTop = frame.scrollHeight;
    else frame.scrollTop = 0;
  }

  function zoom(node) {
    const move = view().zoom(node);
    cancelAnimationFrame(glide);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const began = performance.now();
    const frameOf = (now) => {
      const t = still ? 1 : Math.min(1, Math.max(0, now - began) / GLIDE_MS);
      move(1 - (1 - t) ** 3);
      if (t < 1) glide = requestAnimationFrame(frameOf);
      paint();
    };
    resize();
    if (still) frameOf(began);
    else glide = requestAnimationFrame(frameOf);
    cursor = node;
    showCrumbs();
    canvas.dataset.focus = view().labelOf(node);
    announce(`Zoomed to ${view().labelOf(node)}`);
  }

  function showCrumbs() {
    const path = view().path(view().focus);
    const items = path.map((node, k) => {
      const last = k === path.length - 1;
      const label = view().labelOf(node);
      const button = make("button", { type: "button", onclick: () => zoom(node), disabled: last, "aria-current": last && "true" }, label);
      return make("li", {}, button);
    });
    crumbs.replaceChildren(...items);
  }

  function describe(node) {
    const label = view().labelOf(node);
    const unit = model.unitOf(store.state.metric);
    const value = view().valueOf(node);
    const total = view().valueOf(view().nodeOf(PROGRAM));
    return { label, value: format(unit, value), share: formatShare(value, total) };
  }

  function move(direction) {
    cursor = view().step(cursor, direction);
    const { label, value, share } = describe(cursor);
    announce(`${label}, ${value}, ${share}`);
    const box = view().box(cursor);
    if (box.y < frame.scrollTop) frame.scrollTop = box.y;
    if (box.y + box.height > frame.scrollTop + frame.clientHeight) frame.scrollTop = box.y + box.height - frame.clientHeight;
    choose(cursor);
    paint();
  }

  function choose(node) {
    const module = view().moduleOf(node);
    store.set({ selected: module === PROGRAM || module === undefined ? null : module });
  }

  const directions = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (directions[event.key]) move(directions[event.key]);
    else if (event.key === "Enter" || event.key === " ") zoom(cursor);
    else if (event.key === "Escape" || event.key === "Backspace") zoom(view().path(view().focus).at(-2) ?? view().focus);
    else if (event.key === "Home") zoom(view().nodeOf(PROGRAM));
    else return;
    event.preventDefault();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, paint);

  canvas.addEventListener("mousemove", (event) => {
    const node = view().hit(event.offsetX, event.offsetY);
    if (node !== hovered) {
      hovered = node;
      paint();
    }
    tooltip.hidden = node === undefined;
    if (node === undefined) return;
    const { label, value, share } = describe(node);
    tooltip.replaceChildren(make("strong", {}, label), make("span", {}, `${value} · ${share} of all`));
    const width = tooltip.offsetWidth;
    tooltip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
    tooltip.style.top = `${event.clientY + 18}px`;
  });
  canvas.addEventListener("mouseleave", () => {
    hovered = undefined;
    tooltip.hidden = true;
    paint();
  });
  canvas.addEventListener("click", (event) => {
    const node = view().hit(event.offsetX, event.offsetY);
    if (node === undefined) return;
    cursor = node;
    choose(node);
    zoom(node);
  });

  store.listen((changed) => {
    if (["view", "metric", "order"].some((key) => changed.has(key))) rebuild();
    else if (changed.has("found") || changed.has("theme")) {
      style = createStyle(model, store);
      paint();
    } else if (changed.has("selected")) {
      if (store.state.selected !== null) cursor = view().nodeOf(store.state.selected);
      paint();
    }
  });
  new ResizeObserver(() => resize()).observe(frame);
  rebuild();
  return { zoom: (module) => zoom(view().nodeOf(module)), view };
}
