/* CSV files for spreadsheets: RFC 4180, UTF-8 with the byte order mark that Excel needs. In Russian they have semicolons and
 * decimal commas, as spreadsheets of that language read them. */
import { language } from "./language.js";

const BYTE_ORDER_MARK = "\uFEFF";
/** Characters that start a formula in spreadsheets. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** The signs of a file, by language. */
const SIGNS = { en: { separator: ",", point: "." }, ru: { separator: ";", point: "," } };

function cell(value, { separator, point }) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value).replace(".", point);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `rows` are lists of texts, numbers and nulls; text that looks like a formula is escaped. */
export function csv(rows) {
  const signs = SIGNS[language.get()];
  return rows.map((row) => `${row.map((value) => cell(value, signs)).join(signs.separator)}\r\n`).join("");
}

/** Download the table as a file with this name. */
export const saveCsv = (name, rows) => saveBlob(name, new Blob([BYTE_ORDER_MARK, csv(rows)], { type: "text/csv;charset=utf-8" }));

/** Save what the page holds as a file with this name. */
export function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
