/* Preferences stored in this browser (language, theme). Never store secrets here. */

const known = new Map();

/** The stored preference, or null; also null if the browser forbids storage. */
export function readPreference(name) {
  try {
    const value = localStorage.getItem(`photochanger.${name}`);
    if (value !== null) known.set(name, value);
    return value;
  } catch {
    return null;
  }
}

export function savePreference(name, value) {
  known.set(name, value);
  try {
    localStorage.setItem(`photochanger.${name}`, value);
  } catch (error) {
    console.info("preferences cannot be stored", error);
  }
}

/** Store the preferences of this page again after the browser has dropped them. */
export function restorePreferences() {
  for (const [name, value] of [...known]) savePreference(name, value);
}
