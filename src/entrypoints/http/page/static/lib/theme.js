/* Light or dark theme: the system's until the user chooses. */
import { savePreference, readPreference } from "./preferences.js";
import { store } from "./store.js";

export const THEMES = ["auto", "light", "dark"];

const chosen = readPreference("theme");

export const theme = store(THEMES.includes(chosen) ? chosen : "auto");

export function chooseTheme(name) {
  savePreference("theme", name);
  theme.set(name);
}

/** The colour of the browser's bar above the page, for each theme: `--surface`. */
const BARS = { light: "#ffffff", dark: "#191c27" };
const bars = [...document.querySelectorAll("meta[name=theme-color]")].map((meta) => ({ meta, own: meta.content }));

function mark(name) {
  document.documentElement.dataset.theme = name;
  for (const { meta, own } of bars) meta.content = BARS[name] ?? own;
}
theme.listen(mark);
mark(theme.get());
