// Replies -> what is seen of them.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function turn(role, ...children) {
  return make("li", { class: `turn ${role}` }, make("span", { class: "who" }, role), ...children);
}

/** A call as a form: a field for every parameter that the tool has. `answer` takes the text of its result. */
export function callForm(call, tools, answer) {
  const tool = tools.map((item) => item.function ?? item).find((item) => item.name === call.name);
  const properties = tool?.parameters?.properties ?? {};
  let given = {};
  let broken = null;
  try {
    given = JSON.parse(call.arguments || "{}");
  } catch {
    broken = call.arguments;
  }
  const names = [...new Set([...Object.keys(given), ...Object.keys(properties)])];
  const form = make("div", { class: "call", role: "group", "aria-label": `call of ${call.name}` });
  form.append(make("header", {}, make("code", {}, call.name), chance(call)));
  if (broken !== null) form.append(make("p", { class: "code" }, broken));
  for (const name of names) form.append(field(name, given, properties[name] ?? {}));
  if (answer) form.append(resultForm(answer));
  return form;
}

function field(name, given, schema) {
  const id = `f${Math.random().toString(36).slice(2)}`;
  const label = make("label", { class: "label", for: id, title: schema.description ?? "" }, name);
  if (!(name in given)) return make("div", { class: "field" }, label, make("span", { class: "absent", id }, "left out"));
  const value = given[name];
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return make("div", { class: "field" }, label, make("input", { id, value: text, readonly: true }));
}

function chance(call) {
  if (call.confidence === undefined) return null;
  const percent = `${Math.round(call.confidence * 100)}%`;
  return make("span", { class: `chance ${call.decision}`, title: "the calibrated probability that this call is right" }, `${percent} ${call.decision}`);
}

function resultForm(answer) {
  const input = make("input", { "aria-label": "what the function gives back", placeholder: "what it gives back" });
  const send = make("button", { type: "button", onclick: () => answer(input.value) }, "Give result");
  input.addEventListener("keydown", (event) => event.key === "Enter" && answer(input.value));
  return make("div", { class: "result" }, input, send);
}

/** Tokens by where they came from, and how long it all took. */
export function tokenStrip(tokens, facts) {
  const count = { forced: 0, drafted: 0, chosen: 0, closed: 0 };
  const strip = make("div", { class: "strip" });
  let masked = 0;
  for (const token of tokens) {
    count[token.origin] += 1;
    if (token.masked) {
      masked += 1;
      strip.append(make("span", { class: "masked", title: "the likeliest token, which the tools do not admit" }, visible(token.masked)));
    }
    const probability = token.logprob === null ? "" : `, ${(100 * Math.exp(token.logprob)).toFixed(1)}%`;
    strip.append(make("span", { class: `token ${token.origin}`, title: `${token.origin}${probability}` }, visible(token.text)));
  }
  const words = [
    `${tokens.length} tokens`,
    facts.passes ? `${facts.passes} passes` : null,
    `first after ${Math.round(facts.first)} ms`,
    `all after ${Math.round(facts.all)} ms`,
    facts.cached ? `${facts.cached} of the prompt cached` : null,
  ];
  const legend = make(
    "div",
    { class: "legend" },
    ...Object.keys(count).filter((origin) => origin !== "closed" || count.closed).map((origin) => make("span", {}, make("span", { class: `token ${origin}` }, origin), ` ${count[origin]}`)),
    make("span", {}, make("span", { class: "masked" }, "masked out"), ` ${masked}`),
  );
  return make("details", { class: "tokens" }, make("summary", {}, words.filter(Boolean).join(" · ")), legend, strip);
}

function visible(text) {
  return text.replace(/\n/g, "⏎\n");
}
