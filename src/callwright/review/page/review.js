// The page: one row at a time, each decision on the server's disk before the next row is shown.

import { ask, keepsNumbers, parse, Refusal } from "./net.js";
import { make } from "./form.js";
import { List } from "./list.js";
import { drawRow, showFindings } from "./row.js";

const $ = (id) => document.getElementById(id);
const STATUSES = ["accepted", "corrected", "written", "rejected"];
const list = new List((key) => open(key));
let about = {};        // what /api/state says of the file
let news = { version: 0, progress: {}, undo: null };
let current = null;    // {key, status, version, row, tools, findings, todo, id, like}
let edit = null;       // {row, unread, touched} while the row is edited
let busy = false;
let opening = 0;

// Edits that are not saved yet outlive the page, and a killed browser.
const drafts = {
  name: (key) => `callwright-review:${about.id}:${key}`,
  get: (key) => localStorage.getItem(drafts.name(key)),
  keep: () => localStorage.setItem(drafts.name(current.key), JSON.stringify({ version: current.version, row: edit.row, like: current.like })),
  drop: (key) => localStorage.removeItem(drafts.name(key)),
  unsavedNew: () => Object.keys(localStorage).map((name) => name.slice(drafts.name("").length))
    .find((key) => key.startsWith("w") && drafts.get(key) && !list.has(key)),
};

function say(text) { $("said").textContent = text; }

function trouble(text) {
  $("trouble").hidden = !text;
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
}

async function reach(path, body) {
  try {
    const answer = await ask(path, body);
    trouble(answer.trouble || "");
    return answer;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    trouble("The server does not answer. All decisions up to here are saved, and your edit is kept in this browser: " +
      "start the same 'callwright data review' again.");
    throw error;
  }
}

function learn(answer) {
  news = { version: answer.version, progress: answer.progress, undo: answer.undo };
  const { progress } = news, decided = STATUSES.reduce((sum, name) => sum + progress[name], 0);
  const total = decided + progress.open + progress.todo;
  $("counts").textContent = [`${decided} of ${total} decided`, ...STATUSES.filter((name) => progress[name])
    .map((name) => `${progress[name]} ${name}`), progress.todo ? `${progress.todo} to write` : ""].filter(Boolean).join(" · ");
  $("bar").setAttribute("aria-label", $("counts").textContent);
  $("bar").replaceChildren(...STATUSES.map((name) => {
    const part = make("span", { class: name });
    part.style.width = `${(100 * progress[name]) / (total || 1)}%`;
    return part;
  }));
  $("undo").disabled = !news.undo;
}

async function load() {
  about = await reach("/api/state");
  $("file").textContent = about.file;
  $("output").textContent = `→ ${about.output}`;
  document.title = `${about.file} – review`;
  list.load(about.rows);
  learn(about);
  if (!keepsNumbers) say("This browser writes 1.0 as 1 in rows that you edit; a current one keeps numbers as they are.");
  const first = list.rows.find(([key]) => drafts.get(key)) || list.rows.find(([, status]) => status === "open" || status === "todo");
  const start = first || list.rows[0];
  if (!start) return openNew();
  await open(start[0]);
  const next = !edit && STATUSES.includes(current.status) && list.nextUndecided(current.key);
  return next && open(next);
}

// `given` is an edit to go on with; without it, one that was not saved.
async function open(key, given = null) {
  const asked = ++opening;
  try {
    const shown = await reach(`/api/rows/${key}`);
    if (asked !== opening) return undefined;  // another row was asked for meanwhile
    current = { ...shown, row: parse(shown.row), tools: shown.tools || about.tools };
  } catch (error) {
    return say(error.message);
  }
  const draft = drafts.get(key) && parse(drafts.get(key));
  edit = null;
  if (given) begin(given, true);
  // a killed browser may bring back an edit that was saved, or discarded, long ago
  else if (draft && Number(JSON.stringify(draft.version)) === current.version) begin(draft.row, true);
  else if (current.status === "todo") begin(structuredCopy(current.row), false);
  draw();
  if (given) drafts.keep();
  if (edit) focusFirst(); else $("title").focus({ preventScroll: true });
}

function openNew(key = drafts.unsavedNew(), given = null) {
  const draft = given ? { row: given, like: current?.like } : key && parse(drafts.get(key));
  const like = draft ? draft.like : current && list.has(current.key) ? current.key : undefined;
  const tools = current && [key, like].includes(current.key) ? current.tools : about.tools;
  opening += 1;
  const row = { messages: [{ role: "user", content: "" }, { role: "assistant", content: "" }], source: "" };
  current = { key: key || `w${crypto.randomUUID()}`, status: "new", version: 0, id: "", row, tools, findings: [], todo: null, like };
  begin(draft ? draft.row : structuredCopy(row), Boolean(draft));
  draw();
  focusFirst();
}

const structuredCopy = (row) => parse(JSON.stringify(row));
const begin = (row, touched) => { edit = { row, unread: new Map(), touched }; };

function focusFirst() {
  const boxes = [...$("turns").querySelectorAll("textarea.says")];
  (boxes.find((box) => !box.value) || boxes[0])?.focus();
}

function draw(focus) {
  const where = list.place(current.key);
  $("title").textContent = where === undefined ? "New row" : `Row ${where + 1}`;
  $("status").textContent = { todo: "to be written", new: "not saved yet" }[current.status] || current.status;
  $("status").className = current.status;
  $("about").textContent = [current.id, edit ? "" : current.row.source].filter(Boolean).join(" · ");
  $("todo").hidden = !current.todo;
  $("todo").textContent = current.todo || "";
  drawRow({ row: edit ? edit.row : current.row, tools: current.tools, editing: Boolean(edit),
    unread: edit ? edit.unread : new Map(), changed, redraw: draw });
  for (const id of ["accept", "edit"]) $(id).hidden = Boolean(edit);
  for (const id of ["save", "discard"]) $(id).hidden = !edit;
  $("discard").hidden = !edit || (current.status === "todo" && !edit.touched);
  $("reject").disabled = current.status === "new";
  list.mark(current.key);
  if (focus) document.querySelector(focus)?.focus();
  if (edit && edit.touched) check(); else showFindings(edit ? [] : current.findings, new Map());
}

let timer = 0;
function changed() {
  edit.touched = true;
  $("discard").hidden = false;
  drafts.keep();
  clearTimeout(timer);
  timer = setTimeout(check, 250);
}

async function check() {
  const asked = edit, { key, like } = current;
  if (!asked) return;
  try {
    const { findings } = await reach(`/api/check/${key}`, { row: asked.row, like });
    if (edit === asked) showFindings(findings, asked.unread);
  } catch (error) {
    if (edit === asked && error instanceof Refusal) showFindings([{ path: [], why: error.message, severity: "error" }], asked.unread);
  }
}

async function decide(keep) {
  if (busy || !current || (current.status === "new" && !keep)) return;
  if (keep && edit && edit.unread.size) return wrong([]);
  busy = true;
  const { key, version, like } = current;
  try {
    const answer = await reach(`/api/rows/${key}`, { keep, version, like, row: keep && edit ? edit.row : undefined });
    drafts.drop(key);
    list.merge([answer.row]);
    learn(answer);
    const next = list.nextUndecided(key);
    await (next ? open(next) : open(key));
    say(`Row ${list.place(key) + 1} ${answer.row[1]}.${next ? "" : " Every row is decided; N writes a new one."}`);
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) await elsewhere(error.message);
    else if (error instanceof Refusal) wrong(error.findings.length ? error.findings : [{ path: [], why: error.message, severity: "error" }]);
  } finally {
    busy = false;
  }
}

function wrong(found) {
  showFindings(found, edit ? edit.unread : new Map());
  say(edit ? "Not saved: see what is marked." : "This row has errors: edit it, or reject it.");
  document.querySelector("#turns [aria-invalid]")?.focus();
}

// The row has another version than the one on the screen: the newer one is shown, an edit is kept beside it.
async function elsewhere(why) {
  const was = edit;
  await catchUp();
  if (!was) return list.has(current.key) ? open(current.key).then(() => say(`${why}; this is the row now.`)) : load();
  const now = list.has(current.key) ? await reach(`/api/rows/${current.key}`) : { version: 0, status: "new" };
  Object.assign(current, { version: now.version, status: now.status });
  drafts.keep();
  say(`${why}: it is ${now.status}. Save again to replace that, or discard your edit to see it.`);
}

async function undo() {
  if (busy || !news.undo) return;
  busy = true;
  try {
    const { key, status, version } = news.undo, where = list.place(key);
    const answer = await reach("/api/undo", { version });
    await catchUp();
    // words that were saved come back as an edit, so that undoing loses none
    const row = answer.row && parse(answer.row);
    await (list.has(key) ? open(key, row) : row ? openNew(key, row) : load());
    say(`Undone: row ${where + 1} is no longer ${status}.`);
  } catch (error) {
    if (error instanceof Refusal) await catchUp().then(() => say(`Not undone: ${error.message}; look again.`));
  } finally {
    busy = false;
  }
}

async function catchUp() {
  const answer = await reach(`/api/changes?since=${news.version}`);
  list.merge(answer.rows, answer.gone);
  learn(answer);
  return [...answer.rows.map(([key]) => key), ...answer.gone];
}

async function poll() {
  if (busy || document.hidden) return;
  try {
    const keys = await catchUp();
    if (!current || busy || !keys.includes(current.key)) return;
    if (!edit || !edit.touched) await (list.has(current.key) ? open(current.key) : load());
    else if (list.has(current.key)) say("This row was decided in another window; saving will ask again.");
  } catch { /* `reach` has said so */ }
}

function startEdit() {
  if (!current || edit) return;
  begin(structuredCopy(current.row), false);
  draw();
  focusFirst();
}

function discard() {
  drafts.drop(current.key);
  edit = null;
  if (list.has(current.key)) open(current.key); else list.rows.length ? open(list.rows.at(-1)[0]) : openNew();
}

function move(step) {
  const key = list.beside(step);
  if (key) open(key);
}

const actions = { accept: () => decide(true), save: () => decide(true), reject: () => decide(false), edit: startEdit, discard, undo,
  new: () => openNew(), next: () => move(1), previous: () => move(-1), "help-open": () => $("help").showModal() };
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);

const keys = { a: () => (edit ? say("This row is being edited: Ctrl+Enter saves it.") : decide(true)), r: actions.reject, e: startEdit,
  u: undo, n: actions.new, j: actions.next, k: actions.previous, ArrowDown: actions.next, ArrowUp: actions.previous,
  g: () => { const key = list.nextUndecided(current?.key); if (key) open(key); },
  "/": () => $("search").focus(), "?": actions["help-open"] };
const moves = new Set(["j", "k", "ArrowDown", "ArrowUp"]);

document.addEventListener("keydown", (event) => {
  if ($("help").open) return;
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!event.repeat) (edit ? actions.save : actions.accept)();
  } else if (event.key === "Escape" && typing) {
    typing.blur();
    $("title").focus({ preventScroll: true });
  } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key] && (!event.repeat || moves.has(event.key))) {
    // a key held down decides once: each row is to be looked at
    event.preventDefault();
    keys[event.key]();
  }
});

load().catch((error) => trouble(error.message));
setInterval(poll, 2000);
