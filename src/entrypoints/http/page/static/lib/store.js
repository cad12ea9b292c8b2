/* A value shared by several parts of the page, which are rendered again when it changes. */
import { useEffect, useState } from "./html.js";

export function store(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value, kept up to date. */
export function useStore(kept) {
  const [value, setValue] = useState(kept.get());
  useEffect(() => {
    setValue(() => kept.get());
    return kept.listen((next) => setValue(() => next));
  }, [kept]);
  return value;
}
