// The rows that were not exact: filtered, sorted, and each opened when it is asked for.
(() => {
  const source = document.getElementById("rows");
  if (!source) return;
  const rows = JSON.parse(source.textContent);
  const groups = JSON.parse(document.getElementById("groups").textContent);
  const at = (id) => document.getElementById(id);
  const [words, tool, mode, group, order, list, shown, more, picked] =
    ["words", "tool", "mode", "group", "order", "list", "shown", "more", "picked"].map(at);
  const PAGE = 50;
  const text = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  let pair = null;
  let found = [];
  let drawn = 0;

  function make(tag, name, ...children) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  const tools = (row) => [...(row.due ?? []), ...(row.given ?? [])];
  const modes = (row) => [row.mode, ...(row.modes ?? [])].filter(Boolean);
  const spoken = (name) => name.replaceAll("_", " ");

  rows.forEach((row, place) => {
    row.place = place;
    row.text = [row.request, row.why, row.id, row.where, (row.raw ?? []).map((piece) => piece[1]).join("")].join("\n").toLowerCase();
  });

  function choices(select, names, label) {
    const counts = new Map();
    for (const row of rows) for (const name of new Set(names(row))) counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const [name, count] of [...counts].sort((a, b) => text.compare(a[0], b[0]))) {
      select.append(new Option(`${label(name)} (${count})`, name));
    }
    select.closest("label").hidden = counts.size === 0;
  }

  const orders = {
    file: (a, b) => a.place - b.place,
    tool: (a, b) => text.compare(tools(a)[0] ?? "", tools(b)[0] ?? "") || a.place - b.place,
    mode: (a, b) => text.compare(a.mode ?? "", b.mode ?? "") || a.place - b.place,
    long: (a, b) => (b.request ?? "").length - (a.request ?? "").length || a.place - b.place,
    short: (a, b) => (a.request ?? "").length - (b.request ?? "").length || a.place - b.place,
  };

  const holds = (names, name) => name.startsWith("(") ? name !== "(broken)" && !names?.length : names?.includes(name);

  function fits(row) {
    if (tool.value && !tools(row).includes(tool.value)) return false;
    if (mode.value && !modes(row).includes(mode.value)) return false;
    if (group.value && row.group !== group.value) return false;
    if (pair && !(holds(row.due, pair[0]) && (pair[1] === "(broken)" ? row.broken : holds(row.given, pair[1])))) return false;
    return words.value.toLowerCase().split(/\s+/).every((word) => row.text.includes(word));
  }

  function update() {
    found = rows.filter(fits).sort(orders[order.value]);
    list.replaceChildren();
    drawn = 0;
    draw();
    picked.hidden = pair === null;
    if (pair) picked.textContent = `${pair[0]} due, ${pair[1]} called ✕`;
  }

  function draw() {
    const next = found.slice(drawn, drawn + PAGE).map(item);
    list.append(...next);
    drawn += next.length;
    shown.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` +
      (drawn < found.length ? `, the first ${drawn.toLocaleString("en")} shown` : "");
    more.hidden = drawn >= found.length;
    return next[0];
  }

  function item(row) {
    const tags = [row.group && make("b", row.group, row.group), row.mode && make("b", "", spoken(row.mode))].filter(Boolean);
    const named = [...new Set(tools(row))].slice(0, 2).join(", ");
    const head = make("summary", "",
      make("span", "chip", ...tags, named),
      make("span", "ask", row.request ?? ""), make("span", "why", row.why ?? ""));
    const element = make("details", "miss", head);
    element.addEventListener("toggle", () => {
      if (element.open && element.children.length === 1) element.append(body(row));
    });
    return element;
  }

  function body(row) {
    const all = modes(row).map(spoken).join(", ");
    const facts = [row.where, row.id, all, row.ending ? `ended by ${row.ending}` : ""].filter(Boolean).join(" · ");
    const parts = (row.calls ?? []).map(beside);
    if (row.texts) parts.push(textsBeside(row.texts));
    for (const reason of row.broken ?? []) parts.push(make("p", "t-broken", `could not be read: ${reason}`));
    if (row.raw) {
      const legend = ["name", "key", "argument", "scaffold", "text", "broken"]
        .filter((kind) => row.raw.some((piece) => piece[0] === kind))
        .map((kind) => make("span", `t-${kind}`, kind));
      const raw = make("div", "raw code", ...row.raw.map(([kind, piece]) => make("span", `t-${kind}`, piece)));
      parts.push(make("div", "", make("div", "legend", make("span", "note", "as it was written:"), ...legend), raw));
    }
    return make("div", "body", make("p", "note", facts), ...parts);
  }

  const STATES = { ok: "right", wrong: "", missing: "is missing", extra: "was not asked for" };

  function beside([name, state, given]) {
    const tag = STATES[state] ? make("span", "tag", STATES[state]) : null;
    return grid(make("caption", state, name, tag), "argument", given.map(([key, how, due, got]) => [key, how, due, got]));
  }

  const textsBeside = ([due, got]) => grid(null, "", [["text", due === got ? "ok" : "text", due, got]]);

  function grid(caption, what, lines) {
    const head = make("tr", "", ...[what, "expected", "got"].map((word) => make("th", "", word)));
    head.querySelectorAll("th").forEach((cell) => { cell.scope = "col"; });
    const columns = make("colgroup", "", make("col", "key"), make("col", ""), make("col", ""));
    return make("table", "", caption, columns, make("thead", "", head), make("tbody", "", ...lines.map(line)));
  }

  function line([key, how, due, got]) {
    const name = make("th", "", key);
    name.scope = "row";
    if (how === "ok" || how === "text") return make("tr", "", name, value(due, how), value(got, how));
    const both = due && got;
    return make("tr", "", name,
      due ? make("td", "due", ...(both ? differing(due, got) : [due])) : value("", "none"),
      got ? make("td", "given", ...(both ? differing(got, due) : [got])) : value("", "none"));
  }

  const value = (content, how) => make("td", content ? how : "none", content || "none");

  /** A text with the part marked in which it differs from another. */
  function differing(one, other) {
    const most = Math.min(one.length, other.length);
    let start = 0;
    while (start < most && one[start] === other[start]) start += 1;
    let end = 0;
    while (end < most - start && one[one.length - 1 - end] === other[other.length - 1 - end]) end += 1;
    const middle = one.slice(start, one.length - end);
    return [one.slice(0, start), middle ? make("mark", "", middle) : "", one.slice(one.length - end)];
  }

  choices(tool, tools, (name) => name);
  choices(mode, modes, spoken);
  choices(group, (row) => (row.group ? [row.group] : []), (name) => groups[name] ?? name);
  for (const select of [tool, mode, group, order]) select.addEventListener("change", update);
  words.addEventListener("input", update);
  more.addEventListener("click", () => draw()?.querySelector("summary").focus());
  picked.addEventListener("click", () => { pair = null; update(); words.focus(); });
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("button[data-due]");
    if (!cell) return;
    pair = [cell.dataset.due, cell.dataset.called];
    update();
    at("misses").scrollIntoView();
    picked.focus({ preventScroll: true });
  });
  update();
})();
