// The page: what is asked, and what comes of it.

import { chat, models } from "./net.js";
import { callForm, make, tokenStrip, turn } from "./show.js";

const at = (id) => document.getElementById(id);
// the choice that stands for schemas of the user's own
const OWN = "your own";
const PRESETS = {
  weather: [
    tool("get_weather", "The weather of a place.", { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } }, ["city"]),
    tool("set_alarm", "Set an alarm.", { time: { type: "string" }, label: { type: "string" } }, ["time"]),
  ],
  home: [
    tool("set_light", "Switch a light or change how bright it is.", { room: { type: "string" }, on: { type: "boolean" }, brightness: { type: "integer", minimum: 0, maximum: 100 } }, ["room"]),
    tool("set_thermostat", "Set the temperature of a room.", { room: { type: "string" }, degrees: { type: "number" } }, ["degrees"]),
    tool("play_music", "Play music.", { title: { type: "string" }, artist: { type: "string" }, room: { type: "string" } }, []),
    tool("add_to_list", "Put something on a list.", { list: { type: "string" }, item: { type: "string" } }, ["item"]),
  ],
  none: [],
};
let messages = [];
let running = null;

function tool(name, description, properties, required) {
  return { type: "function", function: { name, description, parameters: { type: "object", properties, required } } };
}

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

/** The tools as they are written, or null where they cannot be read. */
function readTools() {
  try {
    const found = JSON.parse(at("tools").value || "[]");
    if (!Array.isArray(found)) throw new Error("it must be a list");
    at("tools-wrong").textContent = "";
    at("tool-count").textContent = `(${found.length})`;
    return found.map((item) => (item.function ? item : { type: "function", function: item }));
  } catch (error) {
    at("tools-wrong").textContent = `This is not a list of tools: ${error.message}`;
    return null;
  }
}

function body(tools) {
  const system = at("system").value.trim();
  return {
    model: at("model").value,
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
    temperature: Number(at("temperature").value) || 0,
    callwright: { tokens: true, confidence: true },
    ...(tools.length ? { tools, tool_choice: at("choice").value, parallel_tool_calls: at("parallel").checked } : {}),
  };
}

function busy(state) {
  at("send").hidden = state;
  at("stop").hidden = !state;
  at("turns").setAttribute("aria-busy", state);
}

async function ask() {
  const tools = readTools();
  if (tools === null) {
    trouble("The tools cannot be read; they are not JSON.");
    return;
  }
  trouble("");
  busy(true);
  running = new AbortController();
  const shown = turn("assistant");
  at("turns").append(shown);
  try {
    const message = await written(shown, tools);
    messages.push(message);
  } catch (error) {
    if (error.name !== "AbortError") trouble(error.message);
    shown.append(make("p", { class: "thinks" }, error.name === "AbortError" ? "stopped" : "no reply"));
    messages.pop();
  } finally {
    running = null;
    busy(false);
    at("request").focus();
  }
}

/** Writes a reply into its turn as it comes -> the message. */
async function written(shown, tools) {
  const start = performance.now();
  const facts = { first: 0, all: 0, passes: 0, cached: 0 };
  const reply = { role: "assistant", content: "", tool_calls: [] };
  const tokens = [];
  let thinking = "";
  const draw = (answer) => {
    const parts = [make("span", { class: "who" }, "assistant")];
    if (thinking) parts.push(make("p", { class: "thinks" }, thinking));
    if (reply.content) parts.push(make("p", { class: "says" }, reply.content));
    for (const call of reply.tool_calls) {
      const seen = { ...call.function, confidence: call.confidence, decision: call.decision };
      parts.push(callForm(seen, tools, answer ? (text) => answer(call, text) : null));
    }
    if (answer && tokens.length) parts.push(tokenStrip(tokens, facts));
    shown.replaceChildren(...parts);
    shown.scrollIntoView({ block: "end" });
  };
  for await (const chunk of chat(body(tools), at("key").value, running.signal)) {
    const [choice] = chunk.choices;
    if (chunk.usage) facts.cached = chunk.usage.prompt_tokens_details?.cached_tokens ?? 0;
    if (!choice) continue;
    if (!facts.first && (choice.callwright?.tokens ?? []).length) facts.first = performance.now() - start;
    tokens.push(...(choice.callwright?.tokens ?? []));
    facts.passes = choice.callwright?.passes ?? facts.passes;
    for (const [index, more] of (choice.callwright?.calls ?? []).entries()) Object.assign(reply.tool_calls[index] ?? {}, more);
    reply.content += choice.delta.content ?? "";
    thinking += choice.delta.reasoning_content ?? "";
    for (const piece of choice.delta.tool_calls ?? []) {
      reply.tool_calls[piece.index] ??= { id: piece.id, type: "function", function: { name: "", arguments: "" } };
      reply.tool_calls[piece.index].function.name ||= piece.function.name ?? "";
      reply.tool_calls[piece.index].function.arguments += piece.function.arguments ?? "";
    }
    draw(null);
  }
  facts.all = performance.now() - start;
  const results = new Map();
  draw((call, text) => {
    if (running || results.has(call.id)) return;
    results.set(call.id, { role: "tool", tool_call_id: call.id, content: text });
    at("turns").append(turn("tool", make("p", { class: "says" }, `${call.function.name}: ${text}`)));
    if (results.size < reply.tool_calls.length) return;
    messages.push(...reply.tool_calls.map((each) => results.get(each.id)));
    ask();
  });
  if (!reply.content && !reply.tool_calls.length) shown.append(make("p", { class: "thinks" }, "an empty reply"));
  const calls = reply.tool_calls.map(({ id, type, function: called }) => ({ id, type, function: called }));
  return { role: "assistant", content: reply.content || null, ...(calls.length ? { tool_calls: calls } : {}) };
}

function clear() {
  running?.abort();
  messages = [];
  at("turns").replaceChildren();
  trouble("");
  at("request").focus();
}

async function begin() {
  for (const name of [...Object.keys(PRESETS), OWN]) at("preset").append(make("option", { value: name }, name));
  at("key").value = sessionStorage.getItem("key") ?? "";
  choosePreset();
  await list();
}

async function list() {
  try {
    at("model").replaceChildren(...(await models(at("key").value)).map((name) => make("option", {}, name)));
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
}

function choosePreset() {
  const chosen = PRESETS[at("preset").value];
  // one's own stay as they are
  if (chosen) at("tools").value = JSON.stringify(chosen, null, 2);
  readTools();
}

function editTools() {
  at("preset").value = OWN;
  readTools();
}

at("preset").addEventListener("change", choosePreset);
at("tools").addEventListener("input", editTools);
at("key").addEventListener("change", () => {
  sessionStorage.setItem("key", at("key").value);
  list();
});
at("clear").addEventListener("click", clear);
at("stop").addEventListener("click", () => running?.abort());
at("settings-open").addEventListener("click", () => {
  const open = at("settings").classList.toggle("open");
  at("settings-open").setAttribute("aria-expanded", open);
});
document.addEventListener("keydown", (event) => event.key === "Escape" && running?.abort());
at("request").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("ask").requestSubmit();
  }
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("request").value.trim();
  if (!text || running) return;
  messages.push({ role: "user", content: text });
  at("turns").append(turn("user", make("p", { class: "says" }, text)));
  at("request").value = "";
  ask();
});
begin();
