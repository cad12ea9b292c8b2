/* Light or dark: as the system has it, until somebody chooses. */
import { remember, remembered } from "./remembered.js";
import { store } from "./store.js";

export const THEMES = ["auto", "light", "dark"];

const chosen = remembered("theme");

export const theme = store(THEMES.includes(chosen) ? chosen : "auto");

export function chooseTheme(name) {
  remember("theme", name);
  theme.set(name);
}

const mark = (name) => (document.documentElement.dataset.theme = name);
theme.listen(mark);
mark(theme.get());
