// The list of rows: only those in sight are in the document, so that a hundred thousand scroll like ten.

import { make } from "./form.js";

const HEIGHT = 34;
const $ = (id) => document.getElementById(id);
const undecided = (status) => status === "open" || status === "todo";

export class List {
  constructor(open) {
    this.open = open;
    this.rows = [];       // [key, status, title]
    this.places = new Map();
    this.seen = [];       // places of the rows that the search and the filter let through
    this.current = null;
    $("scroll").addEventListener("scroll", () => this.draw());
    $("search").addEventListener("input", () => this.sift());
    $("filter").addEventListener("change", () => this.sift());
    new ResizeObserver(() => this.draw()).observe($("scroll"));
  }

  load(rows) {
    this.rows = rows;
    this.index();
  }

  index() {
    this.places = new Map(this.rows.map(([key], place) => [key, place]));
    this.sift();
  }

  merge(changed, gone = []) {
    const fresh = changed.filter((row) => !this.places.has(row[0]));
    for (const row of changed) if (this.places.has(row[0])) this.rows[this.places.get(row[0])] = row;
    if (gone.length) this.rows = this.rows.filter(([key]) => !gone.includes(key));
    this.rows.push(...fresh);
    if (fresh.length || gone.length) this.index(); else this.draw();
  }

  has(key) { return this.places.has(key); }
  place(key) { return this.places.get(key); }

  sift() {
    const text = $("search").value.trim().toLowerCase(), wanted = $("filter").value;
    this.seen = this.rows.map((_, place) => place).filter((place) => {
      const [, status, title] = this.rows[place];
      const fits = !wanted || (wanted === "undecided" ? undecided(status) : status === wanted);
      return fits && (!text || title.toLowerCase().includes(text));
    });
    this.draw();
  }

  // The row that is `step` away from the current one, among those in the list.
  beside(step) {
    const here = this.places.get(this.current) ?? -1;
    const after = step > 0 ? this.seen.find((place) => place > here) : this.seen.findLast((place) => place < here);
    return after === undefined ? undefined : this.rows[after][0];
  }

  nextUndecided(key) {
    const here = this.places.get(key) ?? -1, count = this.rows.length;
    for (let i = 1; i <= count; i += 1) {
      const [other, status] = this.rows[(here + i) % count];
      if (undecided(status) && other !== key) return other;
    }
    return undefined;
  }

  mark(key) {
    this.current = key;
    const at = this.seen.indexOf(this.places.get(key)), box = $("scroll");
    if (at >= 0) {
      const top = at * HEIGHT;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
    }
    this.draw();
  }

  draw() {
    const box = $("scroll"), first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 5);
    const shown = this.seen.slice(first, first + Math.ceil(box.clientHeight / HEIGHT) + 10);
    const held = document.activeElement?.closest("#rows") && document.activeElement.dataset.key;
    $("rows").style.height = `${this.seen.length * HEIGHT}px`;
    $("rows").style.paddingTop = `${first * HEIGHT}px`;
    $("rows").replaceChildren(...shown.map((place) => {
      const [key, status, title] = this.rows[place];
      return make("li", {}, make("button", { type: "button", class: `row ${status}`, "data-key": key, title,
        "aria-current": key === this.current ? "true" : undefined, onclick: () => this.open(key),
        "aria-label": `Row ${place + 1}, ${status === "todo" ? "to be written" : status}: ${title}` },
      make("span", { class: "mark" }), make("span", { class: "number" }, String(place + 1)), make("span", { class: "said" }, title)));
    }));
    if (held) $("rows").querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
}
