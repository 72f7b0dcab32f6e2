// Search

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  matches = [];
  matchAt = -1;
  if (words.length) {
    for (let leaf = 0; leaf < model.size; leaf++) {
      const about = searchText(leaf);
      if (words.every((w) => about.includes(w))) matches.push(leaf);
    }
    // Those called so come before those whose line or scope says so.
    const called = (leaf) => words.some((w) => leafTitle(leaf).toLowerCase().includes(w));
    matches = [...matches.filter(called), ...matches.filter((l) => !called(l))];
  }
  const results = $("results");
  results.replaceChildren();
  results.hidden = !words.length;
  for (const leaf of matches.slice(0, MOST_RESULTS)) {
    const row = html("li", undefined, { class: "row", role: "option", "data-leaf": leaf });
    row.append(html("b", leafTitle(leaf)), html("small", model.leafType(leaf)));
    results.append(row);
  }
  if (words.length && !matches.length) results.append(html("li", "nothing found", { class: "row" }));
  $("count").textContent = words.length ? `${matches.length} found` : "";
  render(false);
}
function searchText(leaf) {
  if (!model.texts) model.texts = [];
  let found = model.texts[leaf];
  if (found === undefined) {
    const n = model.node(leaf);
    const parts = [leafTitle(leaf), model.leafType(leaf)];
    if (n) {
      parts.push(n.a, PHASES[n.p], model.scopePath(model.items[leaf]).map((g) => g.label).join("/"));
      for (const i of [n.l, n.c]) if (i >= 0) parts.push(place(i), DATA.places[i][3]);
    } else parts.push(model.isOutput(leaf) ? "output" : model.isParameter(leaf) ? "parameter" : "input");
    found = model.texts[leaf] = parts.join(" ").toLowerCase();
  }
  return found;
}
function nextMatch(step) {
  if (!matches.length) return;
  matchAt = (matchAt + step + matches.length) % matches.length;
  $("count").textContent = `${matchAt + 1} of ${matches.length}`;
  go(matches[matchAt]);
}

// Pointer and keyboard

const byId = (id) => id[0] === "g" ? model.groups[Number(id.slice(1))] : model.items[Number(id.slice(1))];
function itemAt(target) {
  const at = target.closest && target.closest("[data-id]");
  return at ? byId(at.getAttribute("data-id")) : null;
}
let drag = null;
const canvas = $("canvas");
canvas.addEventListener("pointerdown", (e) => {
  if (e.button) return;
  drag = { x: e.clientX, y: e.clientY, moved: false, at: e.target };
});
window.addEventListener("pointermove", (e) => {
  if (!drag) return;
  const dx = e.clientX - drag.x, dy = e.clientY - drag.y;
  if (!drag.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
  drag.moved = true;
  canvas.classList.add("dragging");
  zoom.x += dx; zoom.y += dy; drag.x = e.clientX; drag.y = e.clientY;
  applyZoom();
});
let last = { item: null, time: 0 };
window.addEventListener("pointerup", () => {
  const was = drag;
  drag = null;
  canvas.classList.remove("dragging");
  if (!was || was.moved) return;
  const item = itemAt(was.at);
  const now = performance.now();
  // The first click draws anew, so the browser sees no double click on one element.
  if (item && item.isGroup && last.item === item && now - last.time < 400) {
    last = { item: null, time: 0 };
    toggle(item);
    details();
    return;
  }
  last = { item, time: now };
  if (item) select(item);
  else if (selected) { selected = null; render(false); details(); }
});
canvas.addEventListener("wheel", (e) => {
  e.preventDefault();
  const at = canvas.getBoundingClientRect();
  if (e.ctrlKey || e.metaKey || !e.shiftKey && Math.abs(e.deltaY) >= Math.abs(e.deltaX))
    zoomBy(Math.exp(-e.deltaY * 0.0016), e.clientX - at.left, e.clientY - at.top);
  else { zoom.x -= e.deltaX + (e.shiftKey ? e.deltaY : 0); applyZoom(); }
}, { passive: false });

$("tree").addEventListener("click", (e) => {
  const item = itemAt(e.target);
  if (!item) return;
  if (item.isGroup && e.target.classList.contains("twist")) { toggle(item); return; }
  reveal(item);
  select(item, true);
});
$("tree").addEventListener("dblclick", (e) => { const item = itemAt(e.target); if (item) toggle(item); });
function follow(e) {
  const at = e.target.closest("[data-leaf], [data-group]");
  if (!at) return;
  if (at.hasAttribute("data-leaf")) go(Number(at.getAttribute("data-leaf")));
  else { const group = byId(at.getAttribute("data-group")); reveal(group); select(group, true); }
}
$("details").addEventListener("click", follow);
$("details").addEventListener("keydown", (e) => { if (e.key === "Enter" && e.target.tagName === "A") follow(e); });
$("results").addEventListener("click", follow);

// The nearest box in a direction; up and down follow edges first.
function move(dx, dy) {
  const items = drawn;
  if (!items.length) return;
  if (!selected || !boxes.has(selected.id)) { select(items[0], true); return; }
  const here = boxes.get(selected.id);
  let best = null, least = Infinity;
  const linked = new Set();
  if (dy && !selected.isGroup) {
    const found = dy < 0 ? model.reads[selected.leaf].map(([v]) => model.producer[v])
      : model.readers[selected.leaf].map(([r]) => r);
    found.forEach((l) => linked.add(l));
  }
  for (const item of items) {
    if (item === selected) continue;
    const at = boxes.get(item.id);
    const x = at.x - here.x, y = at.y - here.y;
    const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
    if (along <= 4) continue;
    const near = linked.size && (item.isGroup ? model.leaves(item) : [item.leaf]).some((l) => linked.has(l));
    const far = along + across * 2.2 - (near ? 1e6 : 0);
    if (far < least) { least = far; best = item; }
  }
  if (best) select(best, true);
}
function foldAll() {
  open = new Set([model.root]);
  if (selected) while (selected.parent && selected.parent !== model.root) selected = selected.parent;
  render(true);
  details();
}
function unfoldLevel() {
  const more = visible().filter((i) => i.isGroup);
  const before = [...open];
  more.forEach((g) => open.add(g));
  if (visible().length > MOST_VISIBLE) {
    open = new Set(before);
    notice(`that would be more than ${MOST_VISIBLE} boxes: unfold one at a time`);
    return;
  }
  render(true);
}
function foldSelected() {
  let group = selected && (selected.isGroup && open.has(selected) ? selected : selected.parent);
  if (!group || group === model.root) return;
  open.delete(group);
  select(group, true);
}
const KEYS = [
  ["/", "search", () => { $("search").focus(); $("search").select(); }],
  ["n", "next match", () => nextMatch(1)],
  ["N", "the match before", () => nextMatch(-1)],
  ["ArrowUp", "to what makes an operand", () => move(0, -1)],
  ["ArrowDown", "to what reads the result", () => move(0, 1)],
  ["ArrowLeft", "left", () => move(-1, 0)],
  ["ArrowRight", "right", () => move(1, 0)],
  ["Enter", "fold or unfold", () => { if (selected) { toggle(selected); details(); } }],
  ["Backspace", "fold what is around", foldSelected],
  ["]", "unfold one level more", unfoldLevel],
  ["0", "fold everything", foldAll],
  ["g", "show all of it", wholeView],
  ["c", "centre what is selected", () => { if (selected) { centreOn(boxes.get(selected.id)); applyZoom(); } }],
  ["+", "larger", () => zoomMiddle(1.25)],
  ["-", "smaller", () => zoomMiddle(0.8)],
  ["p", "mark a path: here, then there", () => { if (selected && !selected.isGroup) startPath(selected.leaf); }],
  ["l", "path to the loss", () => {
    if (selected && !selected.isGroup && model.loss() >= 0)
      markPath(model.between([selected.leaf], [model.loss()]), `to ${model.name(model.loss())}`);
  }],
  ["Escape", "clear path, search and selection", () => {
    if (path) clearPath();
    else if ($("search").value) { $("search").value = ""; search(""); }
    else { selected = null; render(false); details(); }
  }],
  ["?", "these keys", () => $("help").showModal()],
];
function zoomMiddle(factor) {
  const { width, height } = canvas.getBoundingClientRect();
  zoomBy(factor, width / 2, height / 2);
}
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $("help").open) return;
  if (e.target === $("search")) {
    if (e.key === "Enter") { e.preventDefault(); nextMatch(e.shiftKey ? -1 : 1); }
    if (e.key === "Escape") { $("search").value = ""; search(""); $("picture").focus(); }
    return;
  }
  if (/^(SELECT|INPUT)$/.test(e.target.tagName)) return;
  if (e.key === "Enter" && /^(BUTTON|A)$/.test(e.target.tagName)) return;
  const key = KEYS.find(([k]) => k === e.key);
  if (key) { e.preventDefault(); key[2](); }
});
for (const [key, text] of KEYS) {
  const names = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };
  $("help-keys").append(html("dt", names[key] || key), html("dd", text));
}
$("keys").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());
$("fold").addEventListener("click", foldAll);
$("unfold").addEventListener("click", unfoldLevel);
$("fit").addEventListener("click", wholeView);
$("parameters").addEventListener("change", () => {
  for (const group of model.quiet)
    if ($("parameters").checked && group.children.length <= 12) open.add(group);
  render(false);
});
$("labels").addEventListener("change", () => render(false));
$("heat").addEventListener("change", () => render(false));
let typing = 0;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => search($("search").value), 120);
});
$("graphs").addEventListener("change", () => show(Number($("graphs").value)));

// Begin

document.title = `${DATA.title} – thrace`;
$("title").textContent = DATA.title;
DATA.graphs.forEach((g, i) => $("graphs").append(html("option", `${g.name} (${g.nodes.length})`, { value: i })));
$("graphs-label").hidden = DATA.graphs.length < 2;
if (DATA.costs) {
  $("heat-label").hidden = false;
  for (const [value, text] of [["flops", "by operations"], ["bytes", "by bytes moved"],
    ["live", "by live memory"]])
    $("heat").append(html("option", text, { value }));
}
for (const [name, variable] of [["forward", "forward"], ["backward", "backward"],
  ["optimizer", "optimizer"], ["parameter", "parameter"], ["input", "input"], ["output", "output"]]) {
  const entry = html("span"), swatch = html("i");
  swatch.style.background = `var(--${variable}-fill)`;
  swatch.style.borderColor = `var(--${variable})`;
  entry.append(swatch, document.createTextNode(name));
  $("legend").append(entry);
}
show(0);
document.documentElement.dataset.ready = "true";
