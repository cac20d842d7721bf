// Requests to the server. Numbers keep their own text: as JavaScript numbers, 1.0 would come back as 1.

export class Refusal extends Error {
  constructor(status, body) {
    super(body.why || `The server answered ${status}.`);
    this.status = status;
    this.findings = body.findings || [];
  }
}

export const keepsNumbers = typeof JSON.rawJSON === "function";

export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && keepsNumbers && context ? JSON.rawJSON(context.source) : value);
}

export const isNumber = (value) => typeof value === "number" || (keepsNumbers && JSON.isRawJSON(value));

export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const text = await response.text();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = { why: text.slice(0, 200) };
  }
  if (!response.ok) throw new Refusal(response.status, value);
  return value;
}
