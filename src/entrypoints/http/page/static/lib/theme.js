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

const mark = (name) => (document.documentElement.dataset.theme = name);
theme.listen(mark);
mark(theme.get());
