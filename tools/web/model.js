// The explorer: folds, lays out, searches and shows one graph. Text from the graph reaches the
// page by textContent alone, and names are keys of Maps, never of plain objects.
const DATA = JSON.parse(document.getElementById("data").textContent);
const MOST_CHILDREN = 60;   // of a group; more are put in parts of this many
const MOST_VISIBLE = 400;   // boxes laid out at once
const FIRST_VISIBLE = 44;   // boxes shown when a graph is opened
const MOST_RESULTS = 200;
const PHASES = ["forward", "backward", "optimizer"];
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

function html(tag, text, attributes) {
  const out = document.createElement(tag);
  if (text !== undefined) out.textContent = text;
  for (const [k, v] of Object.entries(attributes || {})) out.setAttribute(k, v);
  return out;
}
function svg(tag, attributes, text) {
  const out = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes || {})) out.setAttribute(k, v);
  if (text !== undefined) out.textContent = text;
  return out;
}
const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const base = (file) => file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1);
function place(index) {
  const [file, line, fn] = DATA.places[index];
  return `${base(file)}:${line}` + (fn ? ` in ${fn}` : "");
}
function amount(n, unit) {
  for (const [size, prefix] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (n >= size) return `${(n / size).toPrecision(3)} ${prefix}${unit}`;
  return `${n} ${unit}`;
}

// A graph as leaves (inputs, nodes, outputs, in that order) in groups that can be folded.

class Item {
  constructor(kind, label, parent) {
    this.kind = kind; this.label = label; this.parent = parent;
    this.children = null; this.leaf = -1; this.low = 0; this.high = 0;
    this.id = ""; this.phase = ""; this.colour = ""; this.title = label; this.scope = -1;
    if (parent) parent.children.push(this);
  }
  get isGroup() { return this.children !== null; }
}

class Model {
  constructor(row) {
    this.row = row;
    this.inputs = row.inputs.length;
    this.nodes = row.nodes.length;
    this.size = this.inputs + this.nodes + row.outputs.length;
    this.producer = [];          // of each value: its leaf
    this.valueOf = [];           // of each leaf: its first value
    row.inputs.forEach((_, i) => { this.producer.push(i); this.valueOf.push(i); });
    row.nodes.forEach((node, i) => {
      this.valueOf.push(this.producer.length);
      node.t.forEach(() => this.producer.push(this.inputs + i));
    });
    this.reads = Array.from({ length: this.size }, () => []);   // [value, as which operand]
    this.readers = Array.from({ length: this.size }, () => []);
    const link = (leaf, value, slot) => {
      this.reads[leaf].push([value, slot]);
      this.readers[this.producer[value]].push([leaf, value]);
    };
    row.nodes.forEach((node, i) => node.i.forEach((operand, slot) => {
      if (typeof operand === "number") link(this.inputs + i, operand, slot);
    }));
    row.outputs.forEach(([, value], i) => link(this.inputs + this.nodes + i, value, 0));
    this.items = [];             // of each leaf: its item
    this.groups = [];
    this.build();
    this.byCause = null;
  }
  node(leaf) {
    const i = leaf - this.inputs;
    return i >= 0 && i < this.nodes ? this.row.nodes[i] : null;
  }
  isInput(leaf) { return leaf < this.inputs; }
  // An input that gets a new value, or that only the optimizer reads: buffers, moments, rates.
  isState(leaf) {
    if (!this.written) this.written = new Set(this.row.outputs.map(([name]) => name));
    if (this.written.has(`${this.row.inputs[leaf][0]}.new`)) return true;
    const readers = this.readers[leaf];
    return readers.length > 0 && this.row.nodes.some((n) => n.p !== 2) &&
      readers.every(([r]) => this.isOutput(r) || this.node(r).p === 2);
  }
  isOutput(leaf) { return leaf >= this.inputs + this.nodes; }
  isParameter(leaf) { return leaf < this.inputs && this.row.inputs[leaf][2]; }
  phase(leaf) { const n = this.node(leaf); return n ? PHASES[n.p] : ""; }
  type(value) {
    const leaf = this.producer[value];
    if (leaf < this.inputs) return this.row.inputs[leaf][1];
    return this.node(leaf).t[value - this.valueOf[leaf]];
  }
  name(leaf) {
    if (this.isInput(leaf)) return "%" + this.row.inputs[leaf][0];
    if (this.isOutput(leaf)) return this.row.outputs[leaf - this.inputs - this.nodes][0];
    const first = this.valueOf[leaf] - this.inputs, count = this.node(leaf).t.length;
    return count > 1 ? `%${first}…%${first + count - 1}` : count ? `%${first}` : "";
  }
  valueName(value) {
    const leaf = this.producer[value];
    return leaf < this.inputs ? this.name(leaf) : `%${value - this.inputs}`;
  }
  leafType(leaf) {
    if (this.isInput(leaf)) return this.row.inputs[leaf][1];
    if (this.isOutput(leaf)) return this.type(this.reads[leaf][0][0]);
    return this.node(leaf).t.join(", ");
  }

  group(kind, label, parent) {
    const out = new Item(kind, label, parent);
    out.children = [];
    return out;
  }
  build() {
    const root = this.root = this.group("graph", this.row.name, null);
    const leaf = (kind, label, parent, i) => {
      const item = new Item(kind, label, parent);
      item.leaf = i;
      this.items[i] = item;
      return item;
    };
    const ends = (kind, label, colour) => {
      const out = this.group(kind, label, root);
      out.colour = colour;
      return out;
    };
    const inputs = ends("inputs", "inputs", "input");
    const parameters = ends("parameters", "parameters", "parameter");
    const state = ends("state", "state", "parameter");
    this.quiet = new Set([parameters, state]);   // not drawn unless asked for
    this.row.inputs.forEach(([name, , grad], i) => {
      const group = grad ? parameters : this.isState(i) ? state : inputs;
      leaf("input", name, group, i).colour = group.colour;
    });
    const phases = new Map();
    const known = new Map();
    const groupOf = (phase, scope) => {
      if (!phases.has(phase)) {
        const top = this.group("phase", PHASES[phase], root);
        top.phase = top.colour = PHASES[phase];
        phases.set(phase, top);
      }
      const todo = [];
      for (let s = scope; s >= 0; s = DATA.scopes[s][2]) {
        const key = phase * (DATA.scopes.length + 1) + s;
        if (known.has(key)) { todo.push(known.get(key)); break; }
        if (DATA.scopes[s][1] !== "phase") todo.push(s);
      }
      let at = phases.get(phase);
      for (const step of todo.reverse()) {
        if (step instanceof Item) { at = step; continue; }
        const [name, kind] = DATA.scopes[step];
        at = this.group(kind, name, at);
        at.scope = step;
        at.phase = at.colour = PHASES[phase];
        known.set(phase * (DATA.scopes.length + 1) + step, at);
      }
      return at;
    };
    this.row.nodes.forEach((node, i) => {
      const item = leaf("node", node.o, groupOf(node.p, node.s), this.inputs + i);
      item.phase = item.colour = PHASES[node.p];
    });
    const outputs = ends("outputs", "outputs", "output");
    const written = ends("written", "gradients, new state", "output");
    this.row.outputs.forEach(([name], i) => {
      const group = /^grad_|\.(grad|new)(_\d+)?$|^saved/.test(name) ? written : outputs;
      leaf("output", name, group, this.inputs + this.nodes + i).colour = "output";
    });
    root.children = root.children.filter((c) => !c.isGroup || c.children.length);
    this.number();
  }
  number() {
    // Parts for groups that are too wide, then ids and the range of leaves of each item.
    const order = [];
    const stack = [this.root];
    while (stack.length) {
      const item = stack.pop();
      if (!item.isGroup) continue;
      order.push(item);
      if (item.children.length > MOST_CHILDREN) this.part(item);
      stack.push(...item.children);
    }
    let count = 0;
    for (const item of order) { item.id = `g${count++}`; this.groups.push(item); }
    this.items.forEach((item, i) => { item.id = `n${i}`; item.high = 1; });
    for (const group of order.reverse())
      group.high = group.children.reduce((n, c) => n + c.high, 0);
    // `high` is the number of leaves below; `low` and `high` become a range.
    this.inOrder = [];
    const walk = [this.root];
    while (walk.length) {
      const item = walk.pop();
      item.low = this.inOrder.length;
      if (!item.isGroup) this.inOrder.push(item.leaf);
      else for (let i = item.children.length - 1; i >= 0; i--) walk.push(item.children[i]);
      item.size = item.high;
      item.high += item.low;
    }
    for (const group of this.groups) {
      const n = group.size;
      group.title = group.label;
      group.note = n === 1 ? "1 node" : `${n} nodes`;
      if (!group.phase && group !== this.root)
        group.note = `${n}`;
    }
  }
  part(group) {
    const all = group.children;
    let size = MOST_CHILDREN;
    while (all.length / size > MOST_CHILDREN) size *= MOST_CHILDREN;
    group.children = [];
    for (let i = 0; i < all.length; i += size) {
      const last = Math.min(i + size, all.length) - 1;
      const part = this.group("part", `${i + 1} – ${last + 1} of ${all.length}`, group);
      part.phase = group.phase;
      part.colour = group.colour;
      part.children = all.slice(i, i + size);
      part.children.forEach((c) => { c.parent = part; });
    }
  }
  leaves(item) { return this.inOrder.slice(item.low, item.high); }
  scopePath(item) {
    const out = [];
    for (let g = item.isGroup ? item : item.parent; g && g.parent; g = g.parent) out.push(g);
    return out.reverse();
  }
  // Backward nodes by the forward line and scope that they differentiate.
  causeKey(placeIndex, scope) {
    const names = [];
    for (let s = scope; s >= 0; s = DATA.scopes[s][2])
      if (DATA.scopes[s][1] !== "phase") names.push(DATA.scopes[s][0]);
    return placeIndex + " " + JSON.stringify(names);
  }
  causes() {
    if (this.byCause) return this.byCause;
    this.byCause = { backward: new Map(), forward: new Map() };
    const add = (map, key, leaf) => map.has(key) ? map.get(key).push(leaf) : map.set(key, [leaf]);
    this.row.nodes.forEach((n, i) => {
      if (n.c >= 0) add(this.byCause.backward, this.causeKey(n.c, n.s), this.inputs + i);
      else if (n.l >= 0) add(this.byCause.forward, this.causeKey(n.l, n.s), this.inputs + i);
    });
    return this.byCause;
  }
  backwardOf(leaf) {
    const n = this.node(leaf);
    if (!n || n.l < 0 || n.c >= 0) return [];
    return this.causes().backward.get(this.causeKey(n.l, n.s)) || [];
  }
  forwardOf(leaf) {
    const n = this.node(leaf);
    if (!n || n.c < 0) return [];
    return this.causes().forward.get(this.causeKey(n.c, n.s)) || [];
  }
  reach(start, next) {
    const seen = new Uint8Array(this.size);
    const stack = [...start];
    start.forEach((s) => { seen[s] = 1; });
    while (stack.length) for (const leaf of next(stack.pop()))
      if (!seen[leaf]) { seen[leaf] = 1; stack.push(leaf); }
    return seen;
  }
  before(start) { return this.reach(start, (l) => this.reads[l].map(([v]) => this.producer[v])); }
  after(start) { return this.reach(start, (l) => this.readers[l].map(([r]) => r)); }
  // The leaves on any way from one set to the other, whichever comes first; null if none.
  between(a, b) {
    for (const [from, to] of [[a, b], [b, a]]) {
      const down = this.after(from), up = this.before(to);
      const found = new Set();
      for (let i = 0; i < this.size; i++) if (down[i] && up[i]) found.add(i);
      if (found.size) return found;
    }
    return null;
  }
  loss() {
    // The first scalar result, or the first of all.
    const first = this.inputs + this.nodes;
    for (let i = first; i < this.size; i++) if (this.leafType(i).endsWith("[]")) return i;
    return first < this.size ? first : -1;
  }
  gradientOf(leaf) {
    const name = this.row.inputs[leaf][0];
    const i = this.row.outputs.findIndex(([n]) => n === `${name}.grad` || n === `grad_${name}`);
    return i < 0 ? -1 : this.inputs + this.nodes + i;
  }
  gradientPath(leaf) {
    const out = this.gradientOf(leaf);
    const seed = this.row.nodes.findIndex((n) => PHASES[n.p] === "backward");
    return out < 0 || seed < 0 ? null : this.between([this.inputs + seed], [out]);
  }
  cost(item) {
    if (!DATA.costs) return null;
    let flops = 0, bytes = 0, live = 0;
    for (const leaf of item.isGroup ? this.leaves(item) : [item.leaf]) {
      const n = this.node(leaf);
      if (n) { flops += n.f; bytes += n.b; live = Math.max(live, n.m); }
    }
    return { flops, bytes, live };
  }
}
