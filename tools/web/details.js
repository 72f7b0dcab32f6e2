// Details of what is selected

function details() {
  const out = $("details");
  out.replaceChildren();
  if (!selected) { overview(out); return; }
  if (selected.isGroup) groupDetails(out, selected);
  else if (selected.kind === "node") nodeDetails(out, selected.leaf);
  else endDetails(out, selected.leaf);
}
function rowsOf(out, rows) {
  const list = html("dl");
  for (const [name, value] of rows) {
    if (value === "" || value === undefined || value === null) continue;
    list.append(html("dt", name));
    const cell = html("dd");
    if (value instanceof Node) cell.append(value); else cell.textContent = value;
    list.append(cell);
  }
  out.append(list);
}
function leafList(out, title, leaves, text) {
  if (!leaves.length) return;
  out.append(html("h3", leaves.length > 1 ? `${title} (${leaves.length})` : title));
  const list = html("ul");
  leaves.slice(0, 60).forEach((leaf, i) => {
    const row = html("li");
    const link = html("a", text ? text(leaf, i) : leafTitle(leaf), { tabindex: "0", "data-leaf": leaf });
    row.append(link, html("span", "  " + model.leafType(leaf)));
    list.append(row);
  });
  if (leaves.length > 60) list.append(html("li", `… ${leaves.length - 60} more`));
  out.append(list);
}
const leafTitle = (leaf) => {
  const n = model.node(leaf);
  return n ? `${model.name(leaf)} ${n.o}` : model.name(leaf);
};
function source(out, title, index) {
  if (index < 0) return;
  const [file, line, fn, text] = DATA.places[index];
  out.append(html("h3", title));
  const head = html("div", `${base(file)}:${line}` + (fn ? ` in ${fn}` : ""));
  head.title = file;
  out.append(head);
  const code = html("pre");
  const lines = DATA.sources[index] || [[line, text]];
  for (const [number, content] of lines) {
    const row = html("div");
    row.append(html("i", String(number)), document.createTextNode(content));
    if (number === line) row.className = "here";
    code.append(row);
  }
  out.append(code);
}
function crumbs(item) {
  const out = html("span");
  model.scopePath(item).forEach((group, i) => {
    if (i) out.append(document.createTextNode(" / "));
    out.append(html("a", group.title, { tabindex: "0", "data-group": group.id }));
  });
  return out;
}
function costRows(item) {
  const cost = model.cost(item);
  if (!cost) return [];
  const all = model.cost(model.root);
  const share = all.flops ? ` (${(100 * cost.flops / all.flops).toPrecision(2)} %)` : "";
  return [["operations", amount(cost.flops, "FLOP") + (item === model.root ? "" : share)],
    ["bytes moved", amount(cost.bytes, "B")],
    ["operations / byte", cost.bytes ? (cost.flops / cost.bytes).toPrecision(3) : ""],
    ["memory live", amount(cost.live, "B")]];
}
function actions(out, list) {
  const row = html("div", undefined, { class: "actions" });
  for (const [text, run] of list) {
    const button = html("button", text);
    button.addEventListener("click", run);
    row.append(button);
  }
  if (list.length) out.append(row);
}
function markPath(found, text) {
  if (!found) { notice(`there is no way ${text}`); return; }
  path = found;
  render(false);
  fitTo(drawn.filter((i) => (i.isGroup ? model.leaves(i) : [i.leaf]).some((l) => found.has(l)))
    .map((i) => boxes.get(i.id)));
  notice(`${found.size} nodes on the way ${text}; Esc clears`);
}
function pathActions(leaf) {
  const out = [];
  const loss = model.loss();
  if (loss >= 0 && loss !== leaf)
    out.push([`path to ${short(model.name(loss), 16)}`,
      () => markPath(model.between([leaf], [loss]), `between ${model.name(leaf)} and ${model.name(loss)}`)]);
  if (model.isInput(leaf) && model.gradientOf(leaf) >= 0)
    out.push(["path of its gradient",
      () => markPath(model.gradientPath(leaf), `from the loss to ${model.name(model.gradientOf(leaf))}`)]);
  if (model.from === undefined || model.from === leaf)
    out.push(["path from here (p)", () => startPath(leaf)]);
  else
    out.push([`path from ${short(leafTitle(model.from), 20)} (p)`, () => startPath(leaf)]);
  if (path) out.push(["clear path", clearPath]);
  return out;
}
function startPath(leaf) {
  if (model.from === undefined || model.from === leaf) {
    model.from = leaf;
    notice(`way from ${leafTitle(leaf)}: select where to, and press p`);
    details();
    return;
  }
  const from = model.from;
  model.from = undefined;
  markPath(model.between([from], [leaf]), `between ${leafTitle(from)} and ${leafTitle(leaf)}`);
  details();
}
function clearPath() { path = null; model.from = undefined; render(false); details(); }

function nodeDetails(out, leaf) {
  const n = model.node(leaf);
  out.append(html("h2", `${model.name(leaf)} = ${n.o}`));
  rowsOf(out, [["type", n.t.join("\n")], ["attributes", n.a], ["phase", PHASES[n.p]],
    ["scope", crumbs(model.items[leaf])], ...costRows(model.items[leaf])]);
  actions(out, [...pathActions(leaf), ...n.g.map((i) =>
    [`open graph @${short(DATA.graphs[i].name, 24)}`, () => show(i)])]);
  source(out, n.c >= 0 ? "recorded at" : "source", n.c >= 0 && n.l === n.c ? -1 : n.l);
  source(out, "differentiates", n.c);
  const slots = new Map(model.reads[leaf].map(([value, slot]) => [slot, value]));
  out.append(html("h3", "operands"));
  const list = html("ul");
  n.i.forEach((operand, slot) => {
    const row = html("li");
    if (slots.has(slot)) {
      const value = slots.get(slot), from = model.producer[value], maker = model.node(from);
      row.append(html("a", `${model.valueName(value)}${maker ? " " + maker.o : ""}`,
        { tabindex: "0", "data-leaf": from }), html("span", "  " + model.type(value)));
    } else row.append(html("span", operand));
    list.append(row);
  });
  out.append(list);
  leafList(out, "consumers", [...new Set(model.readers[leaf].map(([r]) => r))]);
  leafList(out, "its backward nodes", model.backwardOf(leaf));
  leafList(out, "forward nodes of that line", model.forwardOf(leaf));
}
function endDetails(out, leaf) {
  out.append(html("h2", model.name(leaf)));
  const kind = model.isOutput(leaf) ? "output" : model.isParameter(leaf) ? "input, differentiated" : "input";
  rowsOf(out, [["type", model.leafType(leaf)], ["kind", kind]]);
  actions(out, pathActions(leaf));
  if (model.isOutput(leaf)) leafList(out, "producer", [model.producer[model.reads[leaf][0][0]]]);
  else {
    leafList(out, "consumers", [...new Set(model.readers[leaf].map(([r]) => r))]);
    const gradient = model.gradientOf(leaf);
    if (gradient >= 0) leafList(out, "its gradient", [gradient]);
  }
}
function groupDetails(out, group) {
  out.append(html("h2", group.title));
  const ops = new Map();
  for (const leaf of model.leaves(group)) {
    const n = model.node(leaf);
    if (n) ops.set(n.o, (ops.get(n.o) || 0) + 1);
  }
  rowsOf(out, [["kind", group.kind], ["phase", group.phase], ["holds", group.note],
    ["scope", crumbs(group)], ...costRows(group)]);
  const own = model.leaves(group);
  const steps = [[open.has(group) ? "fold (Enter)" : "unfold (Enter)", () => toggle(group)]];
  if (path) steps.push(["clear path", clearPath]);
  actions(out, steps);
  const first = own.map((l) => model.node(l)).find((n) => n && (n.c >= 0 || n.l >= 0));
  if (first && group.kind !== "phase")
    source(out, first.c >= 0 ? "differentiates" : "first line", first.c >= 0 ? first.c : first.l);
  if (ops.size) {
    out.append(html("h3", "ops"));
    const list = html("ul");
    [...ops].sort((a, b) => b[1] - a[1]).slice(0, 25).forEach(([op, n]) => {
      const row = html("li", op);
      row.append(html("span", `  ${n}`));
      list.append(row);
    });
    out.append(list);
  }
  const inside = new Set(own);
  leafList(out, "reads", [...new Set(own.flatMap((l) => model.reads[l].map(([v]) => model.producer[v])))]
    .filter((l) => !inside.has(l)));
  leafList(out, "is read by", [...new Set(own.flatMap((l) => model.readers[l].map(([r]) => r)))]
    .filter((l) => !inside.has(l)));
}
function overview(out) {
  out.append(html("h2", model.row.name));
  rowsOf(out, [["nodes", String(model.nodes)], ["inputs", String(model.inputs)],
    ["of them differentiated", String(model.row.inputs.filter((i) => i[2]).length)],
    ["outputs", String(model.row.outputs.length)], ...costRows(model.root)]);
  out.append(html("p", "Click a box for its type, source line, operands and consumers; " +
    "double-click or press Enter to fold and unfold. Press / to search, ? for all keys."));
  const parameters = [];
  for (let i = 0; i < model.inputs; i++) if (model.isParameter(i)) parameters.push(i);
  leafList(out, "parameters", parameters, (l) => model.name(l));
  leafList(out, "outputs", model.row.outputs.map((_, i) => model.inputs + model.nodes + i));
}
