// JSON Schema -> what a form needs to know of it: which choices, which kinds of value, which fields.

import { isNumber } from "./net.js";

export function kindOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (isNumber(value)) return "number";
  return typeof value;
}

// A schema with its $ref followed and its allOf joined.
export function resolved(schema, root, depth = 0) {
  if (schema === null || typeof schema !== "object" || depth > 20) return {};
  let whole = schema;
  if (typeof schema.$ref === "string") {
    const { $ref, ...own } = schema;
    const target = $ref.startsWith("#") && $ref.slice(1).split("/").slice(1).reduce((part, step) =>
      part && part[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")], root);
    whole = { ...resolved(target || {}, root, depth + 1), ...own };
  }
  for (const branch of Array.isArray(whole.allOf) ? whole.allOf : []) {
    const part = resolved(branch, root, depth + 1);
    whole = { ...part, ...whole, allOf: undefined,
      properties: part.properties || whole.properties ? { ...part.properties, ...whole.properties } : undefined,
      required: [...(part.required || []), ...(whole.required || [])] };
  }
  return whole;
}

// The forms that a value may have: one for a plain schema, several for a union or a list of types.
export function variants(schema, root) {
  const whole = resolved(schema, root);
  if (Array.isArray(whole.enum) || "const" in whole) return [whole];
  const union = whole.anyOf || whole.oneOf;
  if (Array.isArray(union)) {
    const { anyOf, oneOf, ...own } = whole;
    return union.flatMap((branch) => variants({ ...own, ...resolved(branch, root) }, root));
  }
  if (Array.isArray(whole.type)) return whole.type.map((type) => ({ ...whole, type }));
  return [whole];
}

export function typeOf(schema) {
  if (Array.isArray(schema.enum) || "const" in schema) return "choice";
  return schema.type || (schema.properties ? "object" : schema.items ? "array" : "any");
}

export function nameOf(schema) {
  return schema.title || { string: "text", choice: "choice", any: "JSON", array: "list" }[typeOf(schema)] || typeOf(schema);
}

export const choicesOf = (schema) => ("const" in schema ? [schema.const] : schema.enum);

// How well a value fits a form: the best of several is shown. 0 where it does not fit at all.
export function fit(schema, value) {
  const type = typeOf(schema), kind = kindOf(value);
  if (type === "choice") return choicesOf(schema).some((one) => JSON.stringify(one) === JSON.stringify(value)) ? 3 : 0;
  if (type === "any") return 1;
  if (type === "integer") return kind === "number" && !/[.eE]/.test(JSON.stringify(value)) ? 3 : 0;
  if (type !== kind) return 0;
  if (type !== "object" || !schema.properties) return 2;
  const names = Object.keys(value);
  const known = names.filter((name) => name in schema.properties).length;
  const lacking = (schema.required || []).filter((name) => !(name in value)).length;
  return 2 + (known - lacking + 1) / (names.length + lacking + 2);
}
