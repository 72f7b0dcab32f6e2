// What is shown: which groups are open, what is selected, which way is marked.

const models = DATA.graphs.map(() => null);
let model, open, selected = null, path = null, matches = [], matchAt = -1;
let boxes = new Map(), drawn = [], zoom = { x: 0, y: 0, k: 1 }, bounds = { width: 1, height: 1 };

function show(index) {
  model = models[index] || (models[index] = new Model(DATA.graphs[index]));
  open = new Set([model.root]);
  selected = null; path = null; matches = []; matchAt = -1;
  $("graphs").value = String(index);
  $("search").value = "";
  // Open level by level as long as it stays a picture to take in at once.
  const todo = model.root.children.filter(worthOpening);
  while (todo.length) {
    const group = todo.shift();
    open.add(group);
    if (visible().length > FIRST_VISIBLE) open.delete(group);
    else todo.push(...group.children.filter(worthOpening));
  }
  render(true);
  details();
}
const worthOpening = (item) => item.isGroup && item.phase !== "optimizer" &&
  (item.phase ? item.kind === "phase" || item.kind !== "part" && item.children.length > 1 &&
      (item.kind !== "function" || model.nodes <= FIRST_VISIBLE)
    : (item.kind === "inputs" || item.kind === "outputs") && item.children.length <= 8);
const shown = (item) => !model.quiet.has(item) || $("parameters").checked;

function visible() {
  const out = [];
  const stack = [...model.root.children].reverse();
  while (stack.length) {
    const item = stack.pop();
    if (!shown(item)) continue;
    if (item.isGroup && open.has(item)) stack.push(...[...item.children].reverse());
    else out.push(item);
  }
  return out;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(notice.timer);
  if (text) notice.timer = setTimeout(() => notice(""), 4000);
}

function toggle(item) {
  if (!item.isGroup || item === model.root) return;
  if (open.has(item)) {
    open.delete(item);
  } else {
    open.add(item);
    if (model.quiet.has(item)) $("parameters").checked = true;
    if (visible().length > MOST_VISIBLE) {
      open.delete(item);
      notice(`more than ${MOST_VISIBLE} boxes: fold something first`);
      return;
    }
  }
  render(false, item);
}

function reveal(item) {
  const chain = [];
  for (let g = item.parent; g; g = g.parent) chain.push(g);
  if (chain.some((g) => model.quiet.has(g))) $("parameters").checked = true;
  chain.forEach((g) => open.add(g));
  if (visible().length > MOST_VISIBLE) open = new Set(chain);
}
function go(leaf) { const item = model.items[leaf]; reveal(item); select(item, true); }

function select(item, centre) {
  selected = item;
  render(false, centre ? item : null, centre);
  details();
}

// Layout and drawing

const wide = (text, size) => text.length * size * 0.605;

function boxText(item) {
  if (item.isGroup) return [(item.kind === "module" ? item.label : item.title), item.note];
  if (item.kind === "node") {
    const n = model.node(item.leaf);
    return [`${model.name(item.leaf)} ${n.o}`.trim(), n.t.length > 2 ? `${n.t.length} results` : n.t.join(", ")];
  }
  return [item.label, model.leafType(item.leaf)];
}

function edgesOf(shownItems) {
  const owner = new Int32Array(model.inOrder.length).fill(-1);
  const position = new Int32Array(model.size);
  model.inOrder.forEach((leaf, i) => { position[leaf] = i; });
  shownItems.forEach((item, k) => owner.fill(k, item.low, item.high));
  const found = new Map();
  for (let leaf = 0; leaf < model.size; leaf++) {
    const to = owner[position[leaf]];
    if (to < 0) continue;
    for (const [value] of model.reads[leaf]) {
      const source = model.producer[value];
      const from = owner[position[source]];
      if (from < 0 || from === to) continue;
      const key = from * shownItems.length + to;
      let edge = found.get(key);
      if (!edge) found.set(key, edge = { from, to, values: new Set(), path: false, gradient: true });
      edge.values.add(value);
      if (model.phase(source) !== "backward") edge.gradient = false;
      if (path && path.has(leaf) && path.has(source)) edge.path = true;
    }
  }
  return [...found.values()];
}

// Boxes and lines in place. Each open group is laid out by itself, as one box of what is around
// it, so the time follows what one group holds; lines between two groups run together.

const PAD = 10, HEAD = 22;
function depth(item) { let n = 0; for (let up = item.parent; up; up = up.parent) n++; return n; }

function layout(items, edges, typed) {
  const inside = new Map();    // of each open group: what is drawn in it
  for (const item of items)
    for (let child = item; child !== model.root; child = child.parent) {
      if (!inside.has(child.parent)) inside.set(child.parent, new Set());
      if (inside.get(child.parent).has(child)) break;
      inside.get(child.parent).add(child);
    }
  if (!inside.size) inside.set(model.root, new Set());
  const lines = new Map();     // of each open group: the lines between what is drawn in it
  for (const edge of edges) {
    let a = items[edge.from], b = items[edge.to];
    while (a.parent !== b.parent) if (depth(a) > depth(b)) a = a.parent; else b = b.parent;
    if (!lines.has(a.parent)) lines.set(a.parent, new Map());
    const here = lines.get(a.parent), key = `${a.id} ${b.id}`;
    if (!here.has(key)) here.set(key, { a, b, values: new Set(), points: [] });
    edge.bundle = here.get(key);
    edge.values.forEach((v) => edge.bundle.values.add(v));
  }
  const size = new Map();
  for (const item of items)
    size.set(item, { width: Math.max(54, wide(item.lines[0], 12) + 22, wide(item.lines[1], 10.5) + 20),
      height: 38 });
  const laid = new Map();
  const inner = [...inside.keys()].sort((a, b) => depth(b) - depth(a));
  for (const group of inner) {
    const bundles = lines.has(group) ? [...lines.get(group).values()] : [];
    const g = new dagre.graphlib.Graph();
    const dense = bundles.length > 300;
    g.setGraph({ rankdir: "TB", nodesep: 18, ranksep: dense ? 60 : 32, edgesep: 10,
      ranker: dense ? "longest-path" : "network-simplex" });
    for (const child of inside.get(group)) g.setNode(child.id, { ...size.get(child) });
    for (const bundle of bundles) {
      const first = model.type(bundle.values.values().next().value);
      bundle.label = bundle.values.size > 1 ? `${first} +${bundle.values.size - 1}` : first;
      const room = typed && !dense ? { width: wide(bundle.label, 10) + 6, height: 12, labelpos: "c" } : {};
      g.setEdge(bundle.a.id, bundle.b.id, room);
    }
    dagre.layout(g);
    laid.set(group, g);
    const { width = 0, height = 0 } = g.graph();
    const title = group === model.root ? 0 : wide(group.title, 11.5) + 34;
    size.set(group, { width: Math.max(width, title, 40) + 2 * PAD, height: height + HEAD + PAD });
  }
  const at = new Map();
  const clusters = [], drawnBundles = [];
  for (const group of inner.reverse()) {
    const g = laid.get(group), own = at.get(group.id);
    const whole = size.get(group);
    const x0 = own ? own.x - (g.graph().width || 0) / 2 : PAD;
    const y0 = own ? own.y - whole.height / 2 + HEAD : PAD;
    if (own) clusters.push(group); else bounds = whole;
    for (const child of inside.get(group)) {
      const n = g.node(child.id);
      at.set(child.id, { x: x0 + n.x, y: y0 + n.y, width: n.width, height: n.height });
    }
    for (const bundle of lines.has(group) ? lines.get(group).values() : []) {
      const e = g.edge(bundle.a.id, bundle.b.id);
      bundle.points = e.points.map((p) => ({ x: x0 + p.x, y: y0 + p.y }));
      const middle = bundle.points[Math.floor(bundle.points.length / 2)];
      bundle.x = e.x === undefined ? middle.x : x0 + e.x;
      bundle.y = e.y === undefined ? middle.y : y0 + e.y;
      drawnBundles.push(bundle);
    }
  }
  return { at, clusters, bundles: drawnBundles };
}

// Where a line that goes on to `next` crosses a group's lower (or, under -1, upper) border.
function onBorder(around, next, sign) {
  const room = Math.max(0, around.width / 2 - 10);
  const x = Math.min(around.x + room, Math.max(around.x - room, next.x));
  return { x, y: around.y + sign * around.height / 2 };
}

// From a box to the border of the group around it: straight on if that is near, else along the
// group's side, where no boxes are.
function leaving(own, around, border, sign) {
  const end = own.y + sign * own.height / 2, rim = around.y + sign * around.height / 2;
  if (Math.abs(rim - end) < 70) return [{ x: own.x, y: end }];
  const side = border.x >= around.x ? 1 : -1;
  const x = around.x + side * (around.width / 2 - 5);
  return [{ x: own.x + side * own.width / 2, y: own.y }, { x, y: own.y }, { x, y: rim - sign * 8 }];
}

function line(edge, items, at) {
  const from = items[edge.from], to = items[edge.to];
  const { a, b, points } = edge.bundle;
  const way = [...points];
  const sign = way[way.length - 1].y >= way[0].y ? 1 : -1;
  if (a !== from) {
    way[0] = onBorder(at.get(a.id), way[1], sign);
    way.unshift(...leaving(at.get(from.id), at.get(a.id), way[0], sign));
  }
  if (b !== to) {
    way[way.length - 1] = onBorder(at.get(b.id), way[way.length - 2], -sign);
    way.push(...leaving(at.get(to.id), at.get(b.id), way[way.length - 1], -sign).reverse());
  }
  const out = svg("g", { class: "edge" });
  if (edge.gradient) out.classList.add("gradient");
  if (selected && (from === selected || to === selected)) out.classList.add("near");
  if (edge.path) out.classList.add("on-path");
  const marker = edge.path ? "arrow-path" : edge.gradient ? "arrow-gradient" : "arrow";
  out.append(svg("path", { d: curve(way), "marker-end": `url(#${marker})` }));
  return out;
}

function render(fit, keep, centre) {
  const before = keep && boxes.get(keep.id);
  const items = visible();
  const edges = edgesOf(items);
  const typed = $("labels").checked;
  for (const item of items) {
    const [head, sub] = boxText(item);
    item.lines = [short(head, 34), short(sub, 36)];
  }
  const { at, bundles, clusters } = layout(items, edges, typed);
  boxes = at;
  drawn = items;
  const view = $("view");
  view.replaceChildren();
  view.classList.toggle("has-path", path !== null);
  const found = new Set(matches);
  for (const cluster of clusters) {
    const { x, y, width, height } = at.get(cluster.id);
    const out = svg("g", { class: "cluster", "data-id": cluster.id });
    out.append(svg("rect", { x: x - width / 2, y: y - height / 2, width, height }));
    out.append(svg("text", { x: x - width / 2 + 8, y: y - height / 2 + 14 },
      short("▾ " + cluster.title, Math.max(8, Math.floor(width / 7)))));
    if (cluster === selected) out.classList.add("selected");
    view.append(out);
  }
  for (const edge of edges) view.append(line(edge, items, at));
  if (typed)
    for (const { label, x, y } of bundles)
      view.append(svg("text", { class: "carries", x, y: y + 3, "text-anchor": "middle" }, label));
  const heat = heatScale(items);
  for (const item of items) view.append(box(item, at.get(item.id), found, heat));
  if (fit) fitAll();
  else if (centre && keep) centreOn(boxes.get(keep.id));
  else if (before && keep) {
    const now = boxes.get(keep.id);   // what was clicked stays under the pointer
    if (now) { zoom.x += (before.x - now.x) * zoom.k; zoom.y += (top(before) - top(now)) * zoom.k; }
  }
  applyZoom();
  outline();
}
const top = (at) => at.y - at.height / 2;

function box(item, at, found, heat) {
  const out = svg("g", { class: `box ${item.colour}${item.isGroup ? " group" : ""}`, "data-id": item.id,
    role: "button", "aria-label": `${item.lines[0]} ${item.lines[1]}` });
  const shape = { x: at.x - at.width / 2, y: at.y - at.height / 2, width: at.width, height: at.height };
  if (item.isGroup) out.append(svg("rect", { ...shape, class: "under" }));
  const rect = svg("rect", shape);
  if (heat) rect.style.fill = heat(item);
  out.append(rect);
  const n = item.isGroup ? null : model.node(item.leaf);
  if (n && n.e) out.classList.add("effect");
  out.append(svg("text", { x: at.x, y: at.y - 2, "text-anchor": "middle" },
    (item.isGroup ? "▸ " : "") + item.lines[0]));
  out.append(svg("text", { x: at.x, y: at.y + 12, "text-anchor": "middle", class: "sub" }, item.lines[1]));
  const mine = item.isGroup ? model.leaves(item) : [item.leaf];
  if (item === selected) out.classList.add("selected");
  if (path && mine.some((l) => path.has(l))) out.classList.add("on-path");
  if (found.size && mine.some((l) => found.has(l))) out.classList.add("found");
  return out;
}

function curve(points) {
  // Straight, with round corners.
  let d = `M${points[0].x},${points[0].y}`;
  for (let i = 1; i < points.length - 1; i++) {
    const a = points[i - 1], b = points[i], c = points[i + 1];
    const before = Math.hypot(b.x - a.x, b.y - a.y), after = Math.hypot(c.x - b.x, c.y - b.y);
    const r = Math.min(18, before / 2, after / 2);
    if (r < 0.5) continue;
    const to = (p, length) => `${b.x + (p.x - b.x) * r / length},${b.y + (p.y - b.y) * r / length}`;
    d += ` L${to(a, before)} Q${b.x},${b.y} ${to(c, after)}`;
  }
  const end = points[points.length - 1];
  return `${d} L${end.x},${end.y}`;
}

function heatScale(items) {
  const by = $("heat").value;
  if (!DATA.costs || by === "phase") return null;
  const costs = new Map(items.map((i) => [i, model.cost(i)[by]]));
  const most = Math.max(1, ...costs.values());
  return (item) => {
    const share = Math.sqrt(costs.get(item) / most);
    return `color-mix(in srgb, #e5484d ${Math.round(share * 85)}%, var(--paper))`;
  };
}

function applyZoom() {
  $("view").setAttribute("transform", `translate(${zoom.x},${zoom.y}) scale(${zoom.k})`);
}
function fitAll() {
  const { width, height } = $("canvas").getBoundingClientRect();
  const k = Math.min(1.15, Math.max(0.08, Math.min(width / (bounds.width + 8), height / (bounds.height + 8))));
  // Too tall to read when it fits: begin at the top, at a size that can be read.
  zoom.k = Math.max(k, Math.min(0.62, width / (bounds.width + 8)));
  zoom.k = Math.max(zoom.k, 0.2);
  zoom.x = (width - bounds.width * zoom.k) / 2;
  zoom.y = bounds.height * zoom.k < height ? (height - bounds.height * zoom.k) / 2 : 8;
  applyZoom();
}
function wholeView() {
  const { width, height } = $("canvas").getBoundingClientRect();
  zoom.k = Math.min(1.15, width / (bounds.width + 8), height / (bounds.height + 8));
  zoom.x = (width - bounds.width * zoom.k) / 2;
  zoom.y = (height - bounds.height * zoom.k) / 2;
  applyZoom();
}
function centreOn(at) {
  if (!at) return;
  const { width, height } = $("canvas").getBoundingClientRect();
  zoom.k = Math.max(zoom.k, 0.75);
  zoom.x = width / 2 - at.x * zoom.k;
  zoom.y = height / 2 - at.y * zoom.k;
}
function fitTo(shownBoxes) {
  if (!shownBoxes.length) return;
  const low = (f) => Math.min(...shownBoxes.map(f)), high = (f) => Math.max(...shownBoxes.map(f));
  const x0 = low((b) => b.x - b.width / 2), x1 = high((b) => b.x + b.width / 2);
  const y0 = low((b) => b.y - b.height / 2), y1 = high((b) => b.y + b.height / 2);
  const { width, height } = $("canvas").getBoundingClientRect();
  zoom.k = Math.max(0.3, Math.min(1.1, width / (x1 - x0 + 60), height / (y1 - y0 + 90)));
  zoom.x = width / 2 - (x0 + x1) / 2 * zoom.k;
  zoom.y = Math.max(height / 2 - (y0 + y1) / 2 * zoom.k, 45 - y0 * zoom.k - Math.max(0, (y1 - y0 + 90) * zoom.k - height));
  applyZoom();
}
function zoomBy(factor, x, y) {
  const k = Math.min(4, Math.max(0.05, zoom.k * factor));
  zoom.x = x - (x - zoom.x) * (k / zoom.k);
  zoom.y = y - (y - zoom.y) * (k / zoom.k);
  zoom.k = k;
  applyZoom();
}

// The outline beside it

function outline() {
  const tree = $("tree");
  const rows = [];
  const stack = [...model.root.children].reverse().map((c) => [c, 1]);
  while (stack.length) {
    const [item, level] = stack.pop();
    const row = html("li", undefined, { class: "row", role: "treeitem", "data-id": item.id,
      "aria-level": level, "aria-selected": String(item === selected) });
    const isOpen = item.isGroup && open.has(item) && shown(item);
    if (item.isGroup) row.setAttribute("aria-expanded", String(isOpen));
    row.style.paddingLeft = `${8 + (level - 1) * 13}px`;
    row.append(html("span", item.isGroup ? (isOpen ? "▾" : "▸") : "", { class: "twist" }));
    row.append(html("span", item.isGroup ? item.title : boxText(item)[0]));
    row.append(html("small", item.isGroup ? item.note : ""));
    if (path && (item.isGroup ? model.leaves(item) : [item.leaf]).some((l) => path.has(l)))
      row.classList.add("on-path");
    rows.push(row);
    if (isOpen) stack.push(...[...item.children].reverse().map((c) => [c, level + 1]));
  }
  tree.replaceChildren(...rows);
  const at = tree.querySelector('[aria-selected="true"]');
  if (at) at.scrollIntoView({ block: "nearest" });
}
