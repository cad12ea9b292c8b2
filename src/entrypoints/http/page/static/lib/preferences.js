/* Preferences stored in this browser (language, theme). Never store secrets here. */

/** The stored preference, or null; also null if the browser forbids storage. */
export function readPreference(name) {
  try {
    return localStorage.getItem(`photochanger.${name}`);
  } catch {
    return null;
  }
}

export function savePreference(name, value) {
  try {
    localStorage.setItem(`photochanger.${name}`, value);
  } catch (error) {
    console.info("preferences cannot be stored", error);
  }
}
