/* A drop target for picture files. */
import { useState } from "../../lib/html.js";

/** `events` are the handlers of the element, `over` is true while a file is dragged over it. Disabled without `onFile`. */
export function useDrop(onFile) {
  const [over, setOver] = useState(false);
  if (!onFile) return { over: false, events: {} };
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  const events = {
    onDragOver: (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event) => {
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      onFile(file);
    },
  };
  return { over, events };
}
