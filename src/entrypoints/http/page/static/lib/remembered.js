/* Choices that this browser remembers (language, colours). Nothing secret is ever put here. */

/** What was chosen, or null; a browser that lets no page remember anything is asked in vain. */
export function remembered(name) {
  try {
    return localStorage.getItem(`photochanger.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`photochanger.${name}`, value);
  } catch (error) {
    console.info("This browser remembers no choices.", error);
  }
}
