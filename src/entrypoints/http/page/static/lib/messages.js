/* Errors of the API in the language of the page: codes are translated; an unknown code shows the API's own sentence. */
import attempts from "../i18n/attempts.js";
import common from "../i18n/common.js";
import fieldErrors, { types } from "../i18n/field_errors.js";
import problems from "../i18n/problems.js";
import slotIssues from "../i18n/slot_issues.js";
import { number } from "./format.js";
import { language, translator } from "./language.js";

const attemptWords = translator(attempts);
const fieldText = translator(fieldErrors);
const issueWords = translator(slotIssues);
const problemWords = translator(problems);
const commonWords = translator(common);

function parameter(name, value) {
  if (name === "expected") return types[language.get()][value] ?? value;
  if (Array.isArray(value)) return value.join(", ");
  // "min2": years and other numbers of four digits have no separator.
  return typeof value === "number" ? number(value, { maximumFractionDigits: 6, useGrouping: "min2" }) : value;
}

const parameters = (params) => Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, parameter(name, value)]));

const has = (words, code) => Object.hasOwn(words.en, code ?? "");

/** The text of one entry of `errors[]`. */
export const fieldErrorText = (error) => (has(fieldErrors, error.code) ? fieldText(error.code, parameters(error.params)) : error.detail);

/** The text of the error of a field, or null if the problem does not name the field. `problem` may be null. */
export function errorOf(problem, field) {
  const error = problem?.errors.find((one) => one.field === field);
  return error ? fieldErrorText(error) : null;
}

/** The text of one of a slot's `reasons`, with the names of provider and operation. */
export function slotIssueText(issue, names) {
  if (!has(slotIssues, issue.code)) return issue.detail;
  const { provider, operation, ...others } = issue.params;
  const named = { ...others };
  if (provider !== undefined) named.provider = names.provider(provider);
  if (operation !== undefined) named.operation = names.operation(provider, operation);
  return issueWords(issue.code, parameters(named));
}

/** The text of a problem as a whole. */
export function problemText(problem) {
  if (commonWords.has(`problem_${problem.code}`)) return commonWords.of("problem", problem.code);
  return has(problems, problem.code) ? problemWords(problem.code) : problem.message;
}

/** The text of a code of a failed job; `detail` is the API's sentence. */
export const failureText = (code, detail) => (has(problems, code) ? problemWords(code) : (detail ?? code));

/** The text of the classification of a call to a provider. */
export const attemptText = (classification) => (has(attempts, classification) ? attemptWords(classification) : classification);
