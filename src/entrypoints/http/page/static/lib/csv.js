/* Tables as files for spreadsheets: RFC 4180, in UTF-8 with the mark that Excel knows it by. */

const BYTE_ORDER_MARK = "\uFEFF";
/** What spreadsheets take for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `rows` are lists of texts, numbers and nulls; text that a spreadsheet would run as a formula is marked as text. */
export const csv = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

/** Give the table to the reader as a file of this name. */
export function saveCsv(name, rows) {
  const url = URL.createObjectURL(new Blob([BYTE_ORDER_MARK, csv(rows)], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
