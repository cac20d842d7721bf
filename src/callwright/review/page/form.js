// A value and its schema -> fields. Each change is handed to `set`; undefined means that the value is left out.

import { isNumber, keepsNumbers, parse } from "./net.js";
import { choicesOf, fit, kindOf, nameOf, resolved, typeOf, variants } from "./schema.js";

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export const place = (path) => JSON.stringify(path);
const idOf = (path) => `f-${path.join("-").replace(/[^\w-]/g, "_")}`;

// A value as text that keeps 22 and "22" apart.
export function shown(value) {
  const line = JSON.stringify(value);
  return line.length > 80 && typeof value === "object" ? JSON.stringify(value, null, 1) : line;
}

// One named value with its label, its description, and room for what is wrong with it.
export function field(name, schema, context) {
  const { path, required, value, editing } = context;
  const about = resolved(schema, context.root);
  const simple = editing && isSimple(schema, value, context.root);
  const label = make(simple ? "label" : "span", { class: "label", for: simple ? idOf(path) : undefined, id: `${idOf(path)}-l` },
    name, required ? make("abbr", { title: "required", "aria-hidden": "true" }, "*") : "");
  const box = make("div", { class: "field", "data-place": place(path) }, label,
    make("div", { class: editing ? "value" : "value read" }, editing ? inputs(schema, context) : reading(value),
      ...(about.description ? [make("p", { class: "hint", id: `${idOf(path)}-d` }, about.description)] : []),
      make("p", { class: "problem", id: `${idOf(path)}-p` })));
  return box;
}

const reading = (value) => value === undefined
  ? make("span", { class: "absent" }, "not given") : make("code", {}, shown(value));

function isSimple(schema, value, root) {
  const forms = variants(schema, root);
  return forms.length === 1 && !["object", "array"].includes(typeOf(forms[0]));
}

function inputs(schema, context) {
  const forms = variants(schema, context.root);
  if (forms.length === 1) return input(forms[0], context);
  const box = make("div", { class: "forms" });
  const scores = forms.map((form) => (context.value === undefined ? 0 : fit(form, context.value)));
  let chosen = Math.max(0, scores.indexOf(Math.max(...scores)));
  const picker = make("select", { class: "kind", "aria-label": `kind of ${context.path.at(-1)}`, onchange: () => {
    chosen = Number(picker.value);
    const type = typeOf(forms[chosen]);
    context.value = type === "null" ? null : undefined;
    context.set(context.value);
    draw();
  } }, ...forms.map((form, i) => make("option", { value: i, selected: i === chosen }, nameOf(form))));
  const draw = () => box.replaceChildren(picker, input(forms[chosen], context));
  draw();
  return box;
}

function input(schema, context) {
  const type = typeOf(schema), { value } = context;
  const fits = value === undefined || fit(schema, value) > 0;
  if (type === "choice") return choice(choicesOf(schema), context);
  if (type === "boolean") return choice([true, false], context);
  if (type === "null") return make("code", {}, "null");
  // a value of another kind is shown as what it is: a field of the wrong kind would change it unseen
  if ((type === "integer" || type === "number") && (fits || isNumber(value) || kindOf(value) === "string")) return number(context);
  if (type === "string" && fits) return text(context);
  if (type === "array" && fits && !schema.prefixItems && schema.items && typeof schema.items === "object") return list(schema, context);
  if (type === "object" && fits && schema.properties) return object(schema, context);
  return json(context);
}

const shared = ({ path, required }) => ({ "aria-required": required ? "true" : undefined, id: idOf(path), "aria-describedby": `${idOf(path)}-d ${idOf(path)}-p`,
  "aria-labelledby": `${idOf(path)}-l` });

function choice(choices, context) {
  const given = JSON.stringify(context.value);
  const known = choices.some((one) => JSON.stringify(one) === given);
  const picker = make("select", { ...shared(context), onchange: () => {
    const picked = picker.value;
    context.set(picked === "" ? undefined : picked === "odd" ? context.value : choices[Number(picked)]);
  } }, make("option", { value: "" }, "–"),
    ...(context.value !== undefined && !known ? [make("option", { value: "odd", selected: true }, given)] : []),
    ...choices.map((one, i) => make("option", { value: i, selected: JSON.stringify(one) === given },
      typeof one === "string" ? one : JSON.stringify(one))));
  return picker;
}

function number(context) {
  const { value } = context;
  const box = make("input", { ...shared(context), inputmode: "decimal", autocomplete: "off",
    value: value === undefined ? "" : isNumber(value) ? JSON.stringify(value) : String(value), oninput: () => {
      const typed = box.value.trim();
      // what is no number goes to the server as text, which says so at the field
      const good = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(typed);
      context.set(typed === "" ? undefined : good ? (keepsNumbers ? JSON.rawJSON(typed) : Number(typed)) : typed);
    } });
  return box;
}

function text(context) {
  const { value } = context;
  const long = (value || "").length > 70 || (value || "").includes("\n");
  const start = value === "" ? '""' : value || "";
  const box = make(long ? "textarea" : "input", { ...shared(context), autocomplete: "off", rows: long ? 3 : undefined,
    value: long ? undefined : start, oninput: () => {
      context.set(box.value === "" ? undefined : box.value === '""' ? "" : box.value);
    } }, ...(long ? [start] : []));
  return box;
}

function json(context) {
  const box = make("textarea", { ...shared(context), class: "json", rows: 2, placeholder: "JSON", spellcheck: "false", oninput: () => {
    context.unread.delete(place(context.path));
    if (box.value.trim() === "") return context.set(undefined);
    try {
      context.set(parse(box.value));
    } catch (error) {
      context.unread.set(place(context.path), error.message);
      context.set(context.value);
    }
  } }, context.value === undefined ? "" : shown(context.value));
  return box;
}

function list(schema, context) {
  const box = make("div", { class: "list", role: "group", ...shared(context) });
  const items = [...(context.value || [])];
  const given = () => context.set(items.length || context.value !== undefined ? [...items] : undefined);
  const draw = (focus) => {
    box.replaceChildren(...items.map((item, i) => make("div", { class: "item" },
      field(String(i + 1), schema.items, { ...context, path: [...context.path, i], required: false, value: item,
        set: (value) => { items[i] = value === undefined ? null : value; given(); } }),
      make("button", { type: "button", class: "small", "aria-label": `Remove item ${i + 1}`, onclick: () => {
        items.splice(i, 1); context.value = [...items]; given(); draw(items.length - 1); } }, "×"))),
    make("button", { type: "button", class: "small", onclick: () => {
      items.push(blank(schema.items, context.root)); context.value = [...items]; given(); draw(items.length - 1); } }, "Add an item"));
    if (focus >= 0) box.children[focus].querySelector("input, select, textarea")?.focus();
  };
  draw(-1);
  return box;
}

function blank(schema, root) {
  const type = typeOf(variants(schema, root)[0]);
  return { string: "", object: {}, array: [], boolean: false }[type] ?? null;
}

// Fields of an object: those that its schema declares, then those that the value has besides.
export function fields(schema, context) {
  const value = context.value || {};
  const names = Object.keys(schema.properties || {});
  const extra = Object.keys(value).filter((name) => !names.includes(name));
  const change = (name, given) => {
    if (given === undefined) delete value[name]; else value[name] = given;
    context.value = value;
    context.set(Object.keys(value).length || context.keepEmpty ? value : undefined);
  };
  return [...names, ...extra].filter((name) => context.editing || name in value || (schema.required || []).includes(name))
    .map((name) => field(name, schema.properties?.[name] ?? anyOther(schema), { ...context, keepEmpty: false,
      path: [...context.path, name], required: (schema.required || []).includes(name), value: value[name],
      set: (given) => change(name, given) }));
}

const anyOther = (schema) => (schema.additionalProperties && typeof schema.additionalProperties === "object"
  ? schema.additionalProperties : {});

const object = (schema, context) =>
  make("div", { class: "object", role: "group", ...shared(context) }, ...fields(schema, { ...context, keepEmpty: context.required }));
