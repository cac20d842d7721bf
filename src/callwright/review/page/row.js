// One row: its turns and calls, to read or to edit, and what is wrong with it at the place where it is wrong.

import { fields, make, place } from "./form.js";

const $ = (id) => document.getElementById(id);
const AFTER = { user: "assistant", assistant: "user", system: "user", tool: "assistant" };

// `view`: {row, tools, editing, unread, changed(), redraw(focus)}; the row is changed in place.
export function drawRow(view) {
  const parts = view.row.messages.map((message, i) => turn(view, message, i));
  if (view.editing) {
    parts.push(make("div", { class: "more" },
      make("button", { type: "button", class: "small", onclick: () => addTurn(view) }, "Add a turn"),
      make("label", {}, "source ", make("input", { id: "source", value: view.row.source || "", autocomplete: "off",
        oninput: (event) => { view.row.source = event.target.value; view.changed(); } }))));
  }
  $("turns").replaceChildren(...parts);
}

function addTurn(view) {
  const last = view.row.messages.at(-1);
  const role = last ? (last.tool_calls?.length ? "tool" : AFTER[last.role]) : "user";
  view.row.messages.push({ role, content: "" });
  view.changed();
  view.redraw(`#turn-${view.row.messages.length - 1} textarea`);
}

function turn(view, message, i) {
  const { editing } = view, path = ["messages", i];
  const box = make("article", { class: `turn ${message.role}`, id: `turn-${i}`, "data-place": place(path) });
  box.append(make("header", {}, make("h3", {}, message.role, message.name ? make("code", {}, message.name) : ""),
    editing && view.row.messages.length > 1 ? make("button", { type: "button", class: "small", "aria-label": `Remove turn ${i + 1}`,
      onclick: () => { view.row.messages.splice(i, 1); view.changed(); view.redraw(); } }, "×") : ""));
  const calls = message.tool_calls || [];
  if (editing) {
    const text = make("textarea", { rows: 1, "aria-label": `${message.role} says`, class: "says",
      placeholder: message.role === "assistant" ? "answer in words; empty where it calls" : "",
      oninput: () => { message.content = text.value; view.changed(); } }, message.content || "");
    box.append(text);
  } else if (message.content) {
    box.append(make("p", { class: "says" }, message.content));
  } else if (!calls.length) {
    box.append(make("p", { class: "absent" }, "nothing"));
  }
  box.append(make("p", { class: "problem" }));
  calls.forEach((one, j) => box.append(call(view, message, one, [...path, "tool_calls", j])));
  if (editing && message.role === "assistant") {
    box.append(make("button", { type: "button", class: "small", disabled: !view.tools.length, onclick: () => {
      message.tool_calls = [...calls, { name: view.tools[0].name, arguments: {} }];
      view.changed();
      view.redraw(`#call-${i}-${calls.length} select`);
    } }, "Add a call"));
  }
  return box;
}

function call(view, message, one, path) {
  const { editing, tools } = view;
  const tool = tools.find((each) => each.name === one.name);
  const box = make("div", { class: "call", id: `call-${path[1]}-${path[3]}`, role: "group", "aria-label": `Call of ${one.name}` });
  if (editing) {
    const names = [...new Set([...(tool ? [] : [one.name]), ...tools.map((each) => each.name)])];
    const picker = make("select", { class: "function", "aria-label": "Function", onchange: () => {
      one.name = picker.value;
      // what the other function has too is kept
      const known = tools.find((each) => each.name === one.name)?.parameters.properties || {};
      one.arguments = Object.fromEntries(Object.entries(one.arguments).filter(([name]) => name in known));
      view.changed();
      view.redraw(`#${box.id} .function`);
    } }, ...names.map((name) => make("option", { selected: name === one.name }, name)));
    box.append(make("div", { class: "name", "data-place": place([...path, "name"]) }, picker,
      make("button", { type: "button", class: "small", "aria-label": `Remove the call of ${one.name}`, onclick: () => {
        message.tool_calls = message.tool_calls.filter((each) => each !== one);
        if (!message.tool_calls.length) delete message.tool_calls;
        view.changed();
        view.redraw();
      } }, "×"), make("p", { class: "problem" })));
  } else {
    box.append(make("div", { class: "name", "data-place": place([...path, "name"]) }, make("code", {}, one.name), make("p", { class: "problem" })));
  }
  if (tool?.description) box.append(make("p", { class: "hint" }, tool.description));
  const schema = tool ? tool.parameters : {};
  box.append(make("div", { class: "fields", "data-place": place([...path, "arguments"]) },
    ...fields(schema, { root: schema, value: one.arguments, editing, unread: view.unread, path: [...path, "arguments"],
      keepEmpty: true, set: (value) => { one.arguments = value || {}; view.changed(); } }),
    make("p", { class: "problem" })));
  return box;
}

// Each finding beside its field, or beside the nearest thing around it; the others below the row.
export function showFindings(found, unread) {
  const places = new Map([...document.querySelectorAll("#turns [data-place]")].map((one) => [one.dataset.place, one]));
  for (const one of places.values()) {
    one.classList.remove("wrong");
    own(one, ".problem")?.replaceChildren();
    for (const input of own(one, "input, select, textarea") ? [own(one, "input, select, textarea")] : []) input.removeAttribute("aria-invalid");
  }
  const all = [...[...unread].map(([at, why]) => ({ path: JSON.parse(at), why: `is not JSON: ${why}`, severity: "error" })),
    ...found.filter((each) => !unread.has(place(each.path)))];
  const rest = all.filter((each) => !showAt(places, each));
  $("problems").hidden = !rest.length;
  $("problems").replaceChildren(...rest.map((each) => make("li", { class: each.severity }, each.why)));
  return all.some((each) => each.severity === "error");
}

function own(box, what) {
  return [...box.querySelectorAll(what)].find((one) => one.closest("[data-place]") === box);
}

function showAt(places, { path, why, severity }) {
  for (let length = path.length; length > 0; length -= 1) {
    const box = places.get(place(path.slice(0, length)));
    if (!box) continue;
    box.classList.toggle("wrong", severity === "error");
    own(box, ".problem").append(make("span", { class: severity }, why));
    if (severity === "error") own(box, "input, select, textarea")?.setAttribute("aria-invalid", "true");
    return true;
  }
  return false;
}
