/* A mapping of names to plain values as lines of text, `name=value`, and back. */

const SCALAR = /^(true|false|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/;

/** `typed`: values may be numbers, true and false besides texts; a text that looks like one is quoted. */
export function pairsText(pairs, typed) {
  const needsQuotes = (text) => /^["\s]|[\n\r]|\s$/.test(text) || (typed && SCALAR.test(text));
  const shown = (value) => (typeof value === "string" && needsQuotes(value) ? JSON.stringify(value) : String(value));
  return Object.entries(pairs).map(([name, value]) => `${name}=${shown(value)}`).join("\n");
}

/** The mapping of such lines; empty lines are left out, a line without `=` is a name with an empty text. */
export function pairsOf(text, typed) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(lines.map((line) => {
    const [name, ...rest] = line.split("=");
    return [name.trim(), valueOf(rest.join("=").trim(), typed)];
  }));
}

function valueOf(text, typed) {
  if (text.startsWith('"')) return quoted(text);
  return typed && SCALAR.test(text) ? JSON.parse(text) : text;
}

/** A text in quotes; as it is where the quotes are only a part of it. */
function quoted(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
